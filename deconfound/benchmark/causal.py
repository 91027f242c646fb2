"""``deconfound benchmark causal``: train, score, and write what came out."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from deconfound.benchmark.cells import BASE_SIZE, SWEPT, Outcome, plan
from deconfound.benchmark.dictionaries import QUALITIES, require_size
from deconfound.benchmark.methods import canonical
from deconfound.benchmark.settings import QUICK, BenchmarkSettings
from deconfound.errors import ConfigurationError, unknown_name
from deconfound.flags import parse
from deconfound.training.files import write_json, write_text
from deconfound.training.same_settings import keep_settings

README = """\
A benchmark of deconfound: who adjusts for confounders?

report.html    the page to look at
summary.json   the same numbers
cells.jsonl    one finished model a line: Dice on three distributions, and by class and confounder
settings.json  what may not change when it is resumed
work/          the models in progress; gone when there are none
lock           held by the command that is at work; it means nothing when there is none

The same command resumes where it stopped.
"""


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark as the flags say."""
    from rich.console import Console

    settings = _checked(_parse(arguments))
    console = Console(stderr=True)
    _prepare(settings)
    outcomes = _run(plan(settings), settings, console)
    command = f"deconfound benchmark causal {shlex.join(arguments)}".strip()
    _tell(outcomes, settings, command)


def _parse(arguments: Sequence[str]) -> BenchmarkSettings:
    words = ["--json-output" if word == "--json" else word for word in arguments]
    usual = QUICK if "--quick" in arguments else BenchmarkSettings.model_validate({})
    return parse(BenchmarkSettings, words, "deconfound benchmark causal", usual)


def _checked(settings: BenchmarkSettings) -> BenchmarkSettings:
    """Refuse, before anything is rendered, names and sizes that do not exist.

    Returns:
        The settings with each world once, and each method, under its one name.
    """
    from deconfound.simulation import WORLDS

    for kind, names, known in (
        ("world", settings.worlds, WORLDS),
        ("dictionary quality", settings.qualities, QUALITIES),
    ):
        for name in names:
            if name not in known:
                raise unknown_name(kind, name, known)
    for size in settings.sizes:
        require_size(size)
    methods = tuple(dict.fromkeys(canonical(name) for name in settings.methods))
    worlds = tuple(dict.fromkeys(settings.worlds))
    checked = settings.model_copy(update={"methods": methods, "worlds": worlds})
    _refuse_dictionaries_for_nobody(checked)
    return checked


def _refuse_dictionaries_for_nobody(settings: BenchmarkSettings) -> None:
    """Refuse dictionaries that were asked for where no method would be trained with them."""
    if set(SWEPT) & {*settings.methods}:
        return
    usual = BenchmarkSettings.model_validate({})
    for name, base in (("sizes", BASE_SIZE), ("qualities", "true")):
        values = getattr(settings, name)
        if values != getattr(usual, name) and {*values} != {base}:
            raise ConfigurationError(
                f"--{name} {' '.join(map(str, values))}: expected one of {' and '.join(SWEPT)} in "
                f"--methods, which alone are trained with other dictionaries, found "
                f"{' '.join(settings.methods) or 'none'}; add one, or leave --{name} out"
            )


def _prepare(settings: BenchmarkSettings) -> None:
    """Make the folder, or make sure that the one there was made with the same settings."""
    shared = settings.model_dump(mode="json", exclude={"out", "json_output", "seeds", "methods",
                                                       "worlds", "strengths", "sizes", "qualities",
                                                       "accelerator", "jobs"})  # fmt: skip
    begun = any((settings.out / name).exists() for name in ("cells.jsonl", "work"))
    usual = BenchmarkSettings.usual()
    keep_settings(settings.out / "settings.json", "benchmark", shared, begun, usual)
    write_text(settings.out / "README.txt", README)


def _run(cells: Sequence[Any], settings: BenchmarkSettings, console: Any) -> list[Outcome]:
    """Train the cells behind one bar for all of them."""
    from deconfound.benchmark.jobs_progress import JobsProgress
    from deconfound.benchmark.ledger import Ledger
    from deconfound.benchmark.runner import run_cells
    from deconfound.training.models_progress import ModelsProgress
    from deconfound.training.progress import Watcher

    out = settings.out
    before = {outcome.cell for outcome in Ledger(out).outcomes()}
    left = sum(cell not in before for cell in cells)
    console.print(
        f"{len(cells)} models to train, {len(cells) - left} of them finished; {out}",
        highlight=False,
    )
    if settings.jobs == 1:
        with ModelsProgress(left, console) as bar:
            return run_cells(cells, settings, out, bar, lambda one: bar.finished(_line(one)))
    with JobsProgress(left, min(settings.jobs, max(1, left)), console) as jobs:
        return run_cells(
            cells, settings, out, Watcher(), lambda o: jobs.finished_after(o.seconds, _line(o))
        )


def _line(outcome: Outcome) -> str:
    return (
        f"{outcome.cell.name}: {100 * outcome.interventional:.1f} interventional, "
        f"{100 * outcome.reversed:.1f} reversed, {outcome.seconds:.0f} s"
    )


def _tell(outcomes: Sequence[Outcome], settings: BenchmarkSettings, command: str) -> None:
    """Write report and summary, and print the table or the summary."""
    from rich.console import Console

    from deconfound.benchmark.report import write_report
    from deconfound.benchmark.terminal import tell
    from deconfound.benchmark.written import summary_of

    path = write_report(settings.out / "report.html", outcomes, settings, command)
    summary = summary_of(outcomes, settings)
    write_json(settings.out / "summary.json", summary)
    if settings.json_output:
        print(json.dumps(summary, indent=2))
        return
    tell(Console(), outcomes, settings, path)
