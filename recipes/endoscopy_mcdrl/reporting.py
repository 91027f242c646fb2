"""What the report of a run says."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from torch.utils.data import ConcatDataset

from deconfound import CausalSegmenter
from deconfound.data.patients import patients
from deconfound.diagnostics import WhatWasUsed, drawn, take_evenly, what_was_used
from deconfound.dictionaries import dictionaries
from deconfound.estimators.weighting.reading import TEMPERATURE
from deconfound.flags import flag_of
from deconfound.packs import PromptPack
from deconfound.training import History, MethodResult, ReportContext, RunFolder, write_report
from deconfound.training.reading import as_found
from deconfound.training.report import ConfounderEntry
from deconfound.training.what_was_read import WhatWasRead

from .cohort import Cohort, ImageSet
from .config import PROFILES, RecipeConfig, load_profile
from .console import note
from .methods import what_was_read
from .parts import described, takes_layer
from .pictures import counted, gallery, trained_with

FAMILIAR = "endoscopy"
"""The one modality that mini has seen."""

LOOKED_AT = 256
"""Images that the section about the dictionary's use is made from."""

TRAINED_ON = 512
"""Training images of which it is asked whether classes and confounders overlap."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of one method.

    Attributes:
        result: its scores on the held-out site.
        history: of its training.
        remarks: what a reader should know of how it adjusted.
    """

    result: MethodResult
    history: History
    remarks: tuple[str, ...]


def report(
    run: RunFolder,
    config: RecipeConfig,
    cohort: Cohort,
    pack: PromptPack,
    trained: Sequence[Trained],
    console: Console,
) -> None:
    """Write ``report.html`` into the run folder."""
    note(console, "writing the report")
    results = [one.result for one in trained]
    models = [CausalSegmenter.from_pretrained(run.model_path(m)) for m in config.methods]
    examples = gallery(models, config, cohort, pack, results) if config.pictures else ()
    told = what_was_read(run, config.methods[-1], config, cohort)
    adjusted = trained_with(told, config, cohort, pack) if told and config.pictures else ()
    context = ReportContext(
        title=f"MCDRL on {pack.modality}",
        held_out=cohort.holdout,
        ran={**_summary(config, pack, cohort), **_adjusted(trained)},
        results=tuple(results),
        histories=tuple(one.history for one in trained),
        confounders=_confounders(models[-1]),
        examples=examples,
        adjusted=adjusted,
        weighed=counted(told, cohort, pack) if told and config.pictures else (),
        class_names=pack.class_names,
        multiclass=config.task == "multiclass",
        command=command(config, cohort),
        config=config.model_dump(mode="json"),
        notes=_notes(config, pack),
        created=f"{datetime.now():%d %B %Y, %H:%M}",
        used=_used(models[-1], cohort, told),
        oracle=config.oracle,
    )
    write_report(run.report_path, context, pictures=config.pictures)


def _used(model: CausalSegmenter, cohort: Cohort, told: WhatWasRead | None) -> WhatWasUsed:
    """Ask the last model about images that no weight was fitted to, of every site.

    Overlap alone is a matter of the training images. All are read at the temperature at which
    those were.
    """
    # An oracle validates on the held-out site itself: no image counts twice.
    same = cohort.validation is cohort.target
    seen = (cohort.target,) if same else (cohort.validation, cohort.target)
    batch = take_evenly(ConcatDataset(seen), cohort.sites, LOOKED_AT, _patients(seen))
    named = model.dictionary().names == model.pack.confounder_names
    temperature = (told and told.temperature) or TEMPERATURE
    trained_on = take_evenly(as_found(cohort.train), cohort.sites, TRAINED_ON)
    do = drawn(model.pack) if named else None
    return what_was_used(model, batch, trained_on=trained_on, temperature=temperature, do=do)


def _patients(sets: Sequence[ImageSet]) -> list[str] | None:
    """Return the patient of each image, told apart between sites; None where nobody knows."""
    found = [patients(one) for one in sets]
    return None if None in found else [name for names in found for name in names or ()]


def command(config: RecipeConfig, cohort: Cohort) -> str:
    """Return the command that gives the numbers again, saying what differs from the profile.

    One's own profile is not read again: it may have changed since, or be gone.
    """
    name = config.config if (PROFILES / f"{config.config}.yaml").is_file() else "default"
    profile = load_profile(name)
    words = [f"python -m {__package__} train"]
    if name != "default":
        words.append(f"--config {name}")
    for field in RecipeConfig.model_fields:
        value = getattr(config, field)
        if field in ("config", "out", "resume", "holdout") or value == getattr(profile, field):
            continue
        flag = flag_of(field)
        if isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
        else:
            values = value if isinstance(value, tuple) else (value,)
            words.append(f"{flag} {shlex.join(map(str, values))}")
    return " ".join([*words, f"--holdout {shlex.quote(cohort.holdout)}"])


def _summary(config: RecipeConfig, pack: PromptPack, cohort: Cohort) -> dict[str, str]:
    task = "lesion or not" if config.task == "binary" else "which lesion"
    return {
        "Task": f"{task}, {config.image_size} px",
        "Trained on": f"{', '.join(cohort.training_sites)} ({len(cohort.train)} images)",
        "Epochs chosen on": f"{cohort.holdout} itself (an oracle)"
        if config.oracle
        else f"{len(cohort.validation)} images of other patients of these sites",
        "Data": cohort.source,
        "Vision-language model": f"{config.vlm}, tower {config.train_tower}",
        "Decoder": config.decoder,
        **({"Intervention": described(config)} if any(map(takes_layer, config.methods)) else {}),
        "Prompt pack": pack.name if config.pack == pack.name else f"{pack.name} ({config.pack})",
        "Training": f"{config.epochs} epochs, batches of {config.batch_size}, seed {config.seed}",
    }


def _adjusted(trained: Sequence[Trained]) -> dict[str, str]:
    """Return what each method that adjusts found out about its training images."""
    return {
        f"{one.result.method}, adjusting": "; ".join(one.remarks) for one in trained if one.remarks
    }


def unfamiliar(config: RecipeConfig, pack: PromptPack) -> str | None:
    """Return what to know where the model has never seen the pack's modality, else None."""
    if config.vlm != "mini" or pack.modality == FAMILIAR:
        return None
    return (
        f"mini has seen rendered {FAMILIAR} alone: what it selects and reads in {pack.modality} is "
        f"hardly better than chance; use a model that has seen the world, such as --vlm "
        f"ViT-B-16/openai"
    )


def _notes(config: RecipeConfig, pack: PromptPack) -> tuple[str, ...]:
    notes = []
    if config.oracle:
        notes.append(
            "The epochs were chosen by the held-out site's own Dice, which nobody has in practice: "
            "an upper bound, not a result."
        )
    if config.data is None:
        notes.append(
            "The images are rendered, not clinical: they show that the machinery works and what it "
            "does under known conditions, and say nothing about patients."
        )
    if remark := unfamiliar(config, pack):
        notes.append(f"The vision-language model {remark}.")
    elif config.vlm == "mini":
        notes.append(
            "The vision-language model is mini, trained on rendered images alone; on clinical "
            "images use one that has seen the world, such as --vlm ViT-B-16/openai."
        )
    return tuple(notes)


def _confounders(model: CausalSegmenter) -> tuple[ConfounderEntry, ...]:
    """Return the dictionary of a model, in the pack's own words where it is made of them."""
    z = model.dictionary()
    if z.names == model.pack.confounder_names:
        spoken = [(c.text, group.name) for group in model.pack.groups for c in group.confounders]
    else:
        kind = dictionaries.name_of(model.dictionary)
        spoken = [(name, kind) for name in z.names]
    return tuple(
        ConfounderEntry(text, group.replace("_", " "), prior)
        for (text, group), prior in zip(spoken, z.prior.tolist(), strict=True)
    )
