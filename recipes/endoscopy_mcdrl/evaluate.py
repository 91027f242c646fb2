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
from deconfound.errors import RunFolderError
from deconfound.training import (
    MethodResult,
    RunFolder,
    evaluate,
    launch,
    results_json,
    results_table,
)

from .cohort import assemble
from .config import RecipeConfig, build
from .console import counting
from .flags import parse
from .methods import TITLES


@dataclass(frozen=True)
class EvaluateFlags:
    """Score the models of a run on its held-out site, or on another.

    Attributes:
        run: run folder that `train` made.
        data: other images; those of the run by default.
        holdout: other site; that of the run by default.
        batch_size: images at once.
        json: print the numbers as JSON.
    """

    run: Annotated[Path, tyro.conf.Positional]
    data: Path | None = None
    holdout: str | None = None
    batch_size: int = 16
    json: bool = False


def main(arguments: Sequence[str]) -> None:
    """Evaluate as the flags say."""
    flags = parse(EvaluateFlags, arguments, "evaluate")
    run = RunFolder.open(flags.run)
    config = settings_of(run)
    changed = {"data": flags.data or config.data, "holdout": flags.holdout or config.holdout}
    config = config.model_copy(update={**changed, "batch_size": flags.batch_size})
    console = Console(stderr=True)
    models = {m: CausalSegmenter.from_pretrained(run.model_path(m)) for m in trained_methods(run)}
    pack = next(iter(models.values())).pack
    cohort = counting(console, "images", lambda progress: assemble(config, pack, progress))
    fabric = launch(config)
    results: list[MethodResult] = [
        evaluate(
            model,
            cohort.target,
            fabric,
            method=TITLES[method],
            class_names=pack.class_names,
            site_names=cohort.sites,
            batch_size=config.batch_size,
        )
        for method, model in models.items()
    ]
    if flags.json:
        print(json.dumps(results_json(results), indent=2))
    else:
        Console().print(results_table(results, title=f"On {cohort.holdout} (%)"))


def settings_of(run: RunFolder) -> RecipeConfig:
    """Return the configuration of a run."""
    return build(run.config, f"{run.path / 'config.json'}")


def trained_methods(run: RunFolder) -> list:
    """Return the methods whose model the run has finished, in the order of training."""
    methods = [m for m in settings_of(run).methods if run.model_path(m).is_dir()]
    if not methods:
        raise RunFolderError(
            f"{run.path}: expected a trained model under models/, found none; finish the run with "
            f"train --out {run.path} --resume"
        )
    return methods
