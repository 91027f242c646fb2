"""``table``, ``ablate`` and ``figure``: train what is missing, then print, write, draw."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console

from deconfound.errors import ConfigurationError, unknown_name
from deconfound.flags import flag_of
from deconfound.packs import PromptPack
from deconfound.simulation import SITES
from deconfound.spelling import spelled
from deconfound.vlm.loading import require_known

from ..chosen_sites import chosen_sites
from ..console import note, note_ignored
from ..flags import parse, profile_of
from ..methods import require_methods
from ..parts import require_parts
from ..readers import Survey, survey
from ..unread import refuse_unread
from . import ablations, notes, plan, tables
from .cells import Cell
from .collecting import collect
from .executors import run_work
from .printed import Table
from .same_sites import keep_sites
from .same_weights import keep_weights
from .settings import StudySettings
from .store import Store
from .work import Work

Question = Callable[["Study"], Sequence[Table]]


class Study:
    """The cells of one command, and how they are trained.

    Args:
        settings: of the study.
        console: for progress and remarks.
    """

    def __init__(self, settings: StudySettings, console: Console | None = None) -> None:
        self.settings, self.console = settings, console or Console(stderr=True)
        require_methods([*settings.methods, settings.ablated])
        self._require_parts(settings.methods)
        refuse_unread(settings)
        _require_one_process(settings)
        for backbone in settings.all_backbones:
            require_known(backbone)
        found = _survey(settings)
        self.holdouts = _holdouts(settings, found)
        for site in found.sites:
            site.require_sound()
        note_ignored(self.console, found.ignored)
        self.sites = notes.sites(_names(settings, found), found.ignored)
        self.store = Store.prepare(settings)
        keep_weights(self.store, settings.all_backbones)
        keep_sites(self.store, found.sites)

    def compared(self) -> list[Cell]:
        """Train every method: the search with the first seed, then the best with every seed.

        Of the search, the winners' models alone are kept: no figure shows another.
        """
        trials = plan.trial_cells(self.settings, self.holdouts)
        work = Work(trials, self.store, searched=self.settings)
        run_work(work, self.settings, self.console)
        chosen = plan.chosen_cells(trials, self.store)
        self.store.forget_models(cell for cell in trials if cell not in chosen)
        return plan.repeated(chosen, self.settings)

    def train(self, cells: Sequence[Cell]) -> None:
        """Train what is missing; what an ablation trains need not be among ``--methods``."""
        self._require_parts([cell.method for cell in cells])
        run_work(Work(cells, self.store), self.settings, self.console)

    def _require_parts(self, methods: Sequence[str]) -> None:
        trained = self.settings.model_copy(update={"methods": tuple(methods)})
        require_parts(trained, PromptPack.load(trained.pack))


def main_tables(study: Study) -> Sequence[Table]:
    """``table main``."""
    frame = study.store.images(study.compared())
    asked = (
        tables.main_table,
        tables.metric_table,
        tables.pooled_table,
        tables.difference_table,
    )
    return [of(frame, study.settings) for of in asked]


def lesion_tables(study: Study) -> Sequence[Table]:
    """``table lesions``."""
    frame = study.store.images(study.compared())
    return [tables.lesion_table(frame, study.settings)]


def module_tables(study: Study) -> Sequence[Table]:
    """``ablate modules``."""
    cells = plan.module_cells(study.settings, study.holdouts)
    study.train(cells)
    return [ablations.module_table(study.store.images(cells), study.settings)]


def dictionary_tables(study: Study) -> Sequence[Table]:
    """``ablate dictionary``."""
    cells = plan.dictionary_cells(study.settings, study.holdouts)
    study.train(cells)
    return [ablations.dictionary_table(study.store.images(cells), study.settings)]


def depth_tables(study: Study) -> Sequence[Table]:
    """``ablate depth``."""
    cells = plan.depth_cells(study.settings, study.holdouts)
    study.train(cells)
    records = [study.store.record(cell) for cell in cells]
    return [ablations.depth_table(study.store.images(cells), records, study.settings)]


TABLES: Mapping[str, Question] = {"main": main_tables, "lesions": lesion_tables}
ABLATIONS: Mapping[str, Question] = {
    "modules": module_tables,
    "dictionary": dictionary_tables,
    "depth": depth_tables,
}


def table(arguments: Sequence[str]) -> None:
    """Print a table of the comparison."""
    _answer("table", TABLES, arguments)


def ablate(arguments: Sequence[str]) -> None:
    """Print a table of an ablation."""
    _answer("ablate", ABLATIONS, arguments)


def figure(arguments: Sequence[str]) -> None:
    """Draw a figure."""
    from .figures import FIGURES, shown

    settings, asked = _begin("figure", FIGURES, arguments)
    holdouts = _holdouts(settings, _survey(settings))
    study = Study(shown(settings, holdouts, asked.needs_pictures))
    asked.require(study.settings)
    path = asked.draw(study.compared(), study.settings, study.store)
    collect(study.store, study.settings.seed)
    note(study.console, f"figure     {path}")


def _answer(command: str, questions: Mapping[str, Question], arguments: Sequence[str]) -> None:
    started = time.monotonic()
    settings, question = _begin(command, questions, arguments)
    study = Study(settings)
    found = [each.with_note(study.sites) for each in question(study)]
    collect(study.store, study.settings.seed)
    with study.store.writing():
        for each in found:
            each.write(study.store.folder / "tables")
    if study.settings.json_output:
        print(json.dumps([_plain(each) for each in found], indent=2))
        return
    out = Console()
    for each in found:
        out.print(each.as_rich())
    for text in dict.fromkeys(text for each in found for text in each.notes):
        out.print(text, style="dim", highlight=False)
    if detailed := [f"tables/{each.name}.md" for each in found if each.details]:
        said = f"Where each method was published, and what was adapted: {', '.join(detailed)}"
        out.print(said, style="dim", highlight=False)
    minutes = (time.monotonic() - started) / 60
    closing = f"\n{minutes:.1f} minutes. Tables and all frames: {study.store.folder}"
    out.print(closing, highlight=False, soft_wrap=True)


def _begin(
    command: str, known: Mapping[str, Any], arguments: Sequence[str]
) -> tuple[StudySettings, Any]:
    """Read the command line; return the study's settings and what is asked of it."""
    words = list(arguments)
    if not words or words[0].startswith("-"):
        if {"-h", "--help"} & set(words):
            _settings(f"{command} {'|'.join(known)}", words)  # prints its help, and leaves
        raise ConfigurationError(f"{command}: expected one of {', '.join(known)}, found none")
    if words[0] not in known:
        raise unknown_name(command, words[0], known)
    return _settings(f"{command} {words[0]}", words[1:]), known[words[0]]


def _settings(program: str, words: Sequence[str]) -> StudySettings:
    """Start from the profile that ``--config`` names, then let the flags override it."""
    profile = profile_of(words)
    own = {"out", "methods", "holdout", "resume"}
    default = StudySettings.model_validate(profile.model_dump(exclude=own))
    return parse(StudySettings, words, program, default=default)


def _survey(settings: StudySettings) -> Survey:
    """Return what of the study's folder takes part; nothing, where its sites are rendered."""
    if settings.data is None:
        return Survey(())
    found = survey(settings.data, settings.bgr)
    return replace(found, sites=tuple(chosen_sites(found.sites, settings.sites)))


def _names(settings: StudySettings, found: Survey) -> tuple[str, ...]:
    return tuple(site.name for site in found.sites or chosen_sites(SITES, settings.sites))


def _holdouts(settings: StudySettings, found: Survey) -> tuple[str, ...]:
    """Return the sites that are held out in turn, by their own spelling."""
    names = _names(settings, found)
    return tuple(dict.fromkeys(spelled(site, names) for site in settings.holdouts)) or names


def _require_one_process(settings: StudySettings) -> None:
    """Refuse several processes for one cell: cells run side by side instead."""
    for field in ("devices", "num_nodes"):
        value = getattr(settings, field)
        if value != 1:
            raise ConfigurationError(
                f"{flag_of(field)}: expected 1, as a study trains each model in one "
                f"process, found {value}; --executor and --jobs-at-once train several side by side"
            )


def _plain(table: Table) -> dict[str, Any]:
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return {"name": table.name, "title": table.title, "rows": rows, "notes": table.notes}
