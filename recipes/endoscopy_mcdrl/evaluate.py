"""``evaluate``: score the models of a run again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from deconfound import CausalSegmenter
from deconfound.training import (
    MethodResult,
    RunFolder,
    evaluate,
    launch,
    results_json,
    results_table,
)
from deconfound.training.counting import counting

from .cohort import target_alone
from .config import RecipeConfig, build
from .console import note_ignored
from .flags import parse
from .methods import title_of

SEEN = {True: ", WHICH TRAINING SAW", False: "", None: ", which training may have seen"}


@dataclass(frozen=True)
class EvaluateFlags:
    """Score the models of a run on its held-out site, or on another.

    Attributes:
        run: run folder that `train` made.
        data: other images; those of the run by default.
        bgr: names of the sites whose files store blue first; those of the run by default, and none
            of other images.
        holdout: other site; that of the run by default.
        batch_size: images at once.
        accelerator: auto, cpu, cuda or mps, whatever the run was trained on.
        json: print the numbers as JSON.
    """

    run: Annotated[Path, tyro.conf.Positional]
    data: Path | None = None
    bgr: tuple[str, ...] = ()
    holdout: str | None = None
    batch_size: int = 16
    accelerator: str = "auto"
    json: bool = False


def main(arguments: Sequence[str]) -> None:
    """Evaluate as the flags say."""
    flags = parse(EvaluateFlags, arguments, "evaluate")
    run = RunFolder.open(flags.run)
    settings = settings_of(run)
    models = {m: CausalSegmenter.from_pretrained(run.model_path(m)) for m in run.trained_methods()}
    pack = next(iter(models.values())).pack
    held_out, same = run.held_out(), flags.data in (None, settings.data)
    own = {"sites": settings.sites, "holdout": held_out} if same else {"sites": (), "holdout": None}
    config = _as_flagged(settings.model_copy(update=own), flags)
    console = Console(stderr=True)
    images, site, sites, ignored = counting(
        console, "images", lambda progress: target_alone(config, pack, progress)
    )
    note_ignored(console, ignored)
    fabric = launch(config)
    results: list[MethodResult] = [
        evaluate(
            model,
            images,
            fabric,
            method=title_of(method, config),
            class_names=pack.class_names,
            site_names=sites,
            batch_size=config.batch_size,
        )
        for method, model in models.items()
    ]
    seen = _seen(settings, held_out, site, sites) if same else _seen_elsewhere(settings)
    if flags.json:
        told = {"site": site, "seen_in_training": seen, **results_json(results)}
        print(json.dumps(told, indent=2))
    else:
        Console().print(results_table(results, title=f"On {site}{SEEN[seen]} (%)"))


def _seen(config: RecipeConfig, held_out: str | None, site: str, sites: Sequence[str]) -> bool:
    """Say whether training saw a site: it took part, and is not the one held out, else the last."""
    asked = {name.lower() for name in config.sites or sites}
    took_part = [name.lower() for name in sites if name.lower() in asked]
    unseen = took_part[-1:] if held_out is None else [held_out.lower()]
    return site.lower() in took_part and site.lower() not in unseen


def _seen_elsewhere(settings: RecipeConfig) -> bool | None:
    """Say whether training saw images of another folder: nobody knows, unless its were rendered."""
    return False if settings.data is None else None


def _as_flagged(config: RecipeConfig, flags: EvaluateFlags) -> RecipeConfig:
    """Return the run's settings with the flags', for one process on this machine."""
    changed = {
        "data": flags.data or config.data,
        "bgr": flags.bgr if flags.bgr or flags.data else config.bgr,
        "holdout": flags.holdout or config.holdout,
        "batch_size": flags.batch_size,
        "accelerator": flags.accelerator,
        "devices": 1,
        "num_nodes": 1,
    }
    return build({**config.model_dump(), **changed}, "evaluate")


def settings_of(run: RunFolder) -> RecipeConfig:
    """Return the configuration of a run."""
    return build(run.config, f"{run.path / 'config.json'}")
