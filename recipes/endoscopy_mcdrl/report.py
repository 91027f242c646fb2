"""``report``: the page of a finished run again, without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from deconfound import CausalSegmenter
from deconfound.errors import DataError, RunFolderError
from deconfound.training import History, MethodResult, RunFolder
from deconfound.training.counting import counting
from deconfound.training.files import read_json

from .cohort import Cohort, assemble
from .config import RecipeConfig
from .console import note_ignored
from .evaluate import settings_of
from .flags import parse
from .methods import title_of
from .reporting import Trained, report


@dataclass(frozen=True)
class ReportFlags:
    """Write the report of a finished run again, from its models, scores and images.

    Attributes:
        run: run folder that `train` made.
        pictures: put images into the report; a run that was made without stays without.
    """

    run: Annotated[Path, tyro.conf.Positional]
    pictures: bool = True


def main(arguments: Sequence[str]) -> None:
    """Report as the flags say; nothing but the page is written."""
    flags = parse(ReportFlags, arguments, "report")
    run = RunFolder.open(flags.run)
    config = settings_of(run)
    trained = _trained(run, config)
    pack = CausalSegmenter.from_pretrained(run.model_path(config.methods[-1])).pack
    console = Console(stderr=True)
    cohort = counting(console, "images", lambda progress: assemble(config, pack, progress))
    note_ignored(console, cohort.ignored)
    _require_same_images(run, cohort, trained)
    shown = config.model_copy(update={"pictures": flags.pictures and config.pictures})
    report(run, shown, cohort, pack, trained, console)
    print(run.report_path)


def _trained(run: RunFolder, config: RecipeConfig) -> list[Trained]:
    """Read back what came of each method.

    Raises:
        RunFolderError: a run that is not finished, or results that cannot be read.
    """
    if not run.results_path.exists():
        raise _unfinished(run, f"no {run.results_path.name}")
    lines = run.metrics()
    histories = [History.of(lines, method) for method in config.methods]
    for method, history in zip(config.methods, histories, strict=True):
        if len(history.records) < config.epochs:
            told = f"{len(history.records)} of {config.epochs} epochs of {method}"
            raise _unfinished(run, told)
        if not (run.model_path(method) / "config.json").is_file():
            raise _unfinished(run, f"no model of {method}")

    def trained(told: Any) -> list[Trained]:
        results = {one["method"]: MethodResult.from_json(one) for one in told["methods"]}
        titles = [title_of(method, config) for method in config.methods]
        return [
            Trained(results[title], history, tuple(told["adjusting"][title]))
            for title, history in zip(titles, histories, strict=True)
        ]

    remedy = f"write them again with train --out {run.path} --resume"
    return read_json(run.results_path, "the results of a run", trained, remedy)


def _unfinished(run: RunFolder, found: str) -> RunFolderError:
    return RunFolderError(
        f"{run.path}: expected a finished run, found {found}; finish it with "
        f"train --out {run.path} --resume and its other flags"
    )


def _require_same_images(run: RunFolder, cohort: Cohort, trained: Sequence[Trained]) -> None:
    """Refuse to show pictures beside scores that are of others."""
    scored = trained[-1].result.overall.images
    if len(cohort.target) != scored:
        raise DataError(
            f"{run.path}: expected the {scored} images of {cohort.holdout} that were scored, found "
            f"{len(cohort.target)}; the images are not those of the run, so put them back or train "
            f"again"
        )
