"""Cell by cell: train, score, write the line; what is finished is never repeated."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from deconfound import CausalLoss, CausalSegmenter
from deconfound.benchmark.cells import Cell, Outcome
from deconfound.benchmark.dictionaries import pack_for
from deconfound.benchmark.ledger import Ledger
from deconfound.benchmark.methods import method_of
from deconfound.benchmark.scoring import by_cell, score
from deconfound.benchmark.settings import BenchmarkSettings
from deconfound.benchmark.side_by_side import side_by_side
from deconfound.benchmark.worlds import DISTRIBUTIONS, scored_images, training_images
from deconfound.training.distributed import launch
from deconfound.training.model_training import ModelTraining
from deconfound.training.progress import Watcher
from deconfound.training.run_folder import RunFolder
from deconfound.training.settings import TrainingSettings

DECODER = {"name": "FPN", "decoder_pyramid_channels": 64, "decoder_segmentation_channels": 64}
"""Small, and quick to learn on the tower's own grid."""


def run_cells(
    cells: Sequence[Cell],
    settings: BenchmarkSettings,
    folder: Path,
    watcher: Watcher,
    finished: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Train and score what is not finished yet.

    Args:
        cells: to be done, in order.
        settings: sizes and budget, and how many cells are trained at a time.
        folder: of the ledger and of the models in progress.
        watcher: told of every step, where one cell is trained at a time.
        finished: called after each cell that was not finished yet.

    Returns:
        The outcome of every cell, in their order.

    Raises:
        RunFolderError: another command is at work in the folder.
        DeconfoundError: of the first cell that failed; those that finished are kept.
    """
    ledger, work = Ledger(folder), folder / "work"
    known: dict[Cell, Outcome] = {}

    def keep(outcome: Outcome) -> None:
        ledger.append(outcome)
        shutil.rmtree(work / outcome.cell.name)  # after its line, or a kill between loses it
        known[outcome.cell] = outcome
        finished(outcome)

    with ledger.alone():
        known |= {outcome.cell: outcome for outcome in ledger.outcomes()}
        left = [cell for cell in cells if cell not in known]
        for cell in known:  # a kill right after its line leaves its checkpoints
            shutil.rmtree(work / cell.name, ignore_errors=True)
        if settings.jobs == 1:
            for cell in left:
                keep(run_cell(cell, settings, work / cell.name, watcher))
        else:
            side_by_side(partial(_run_alone, settings, work), left, settings.jobs, keep)
        if work.exists() and not any(work.iterdir()):  # cells of other methods may be begun there
            work.rmdir()
    return [known[cell] for cell in cells]


def _run_alone(settings: BenchmarkSettings, work: Path, cell: Cell) -> Outcome:
    """Run a cell in a process where nobody watches."""
    return run_cell(cell, settings, work / cell.name, Watcher())


def run_cell(cell: Cell, settings: BenchmarkSettings, folder: Path, watcher: Watcher) -> Outcome:
    """Train one model and score it.

    Args:
        cell: what to train.
        settings: sizes and budget.
        folder: of its checkpoints, from which it goes on; whoever keeps the outcome removes it.
        watcher: told of every step.
    """
    started = time.monotonic()
    method, pack = method_of(cell.method), pack_for(cell.size, cell.quality)
    images = training_images(cell.world, cell.strength, cell.seed, settings)
    torch.manual_seed(cell.seed)
    parts = {"selector": "all", "intervention": "identity", **method.parts}
    model = CausalSegmenter(DECODER, pack, "mini", classes=1 + len(pack.class_names), **parts)
    loop = _loop(settings, cell)
    training = ModelTraining(
        model,
        CausalLoss(
            model.prompts, "ce+dice", method.lambda_causal, 0.0, lambda_lesion=method.lambda_lesion
        ),
        images.train,
        images.validation,
        loop,
        RunFolder.create(folder, {"cell": cell.name}, resume=(folder / "config.json").exists()),
        launch(loop),
        method.adjustment,
        cell.method,
    )
    training.train(training.prepare(), watcher)
    means = {}
    for distribution in DISTRIBUTIONS:
        sample = scored_images(cell.world, distribution, cell.seed, settings)
        dice, of_any = score(model, sample)
        means[distribution] = float(dice.mean())
        if distribution == "interventional":
            found, table = float(of_any.mean()), by_cell(dice, sample)
    seconds = time.monotonic() - started
    return Outcome(cell, **means, found=found, table=table, seconds=seconds)


def _loop(settings: BenchmarkSettings, cell: Cell) -> TrainingSettings:
    """Return the loop's settings: the intervention is on from the start, as runs are short."""
    return TrainingSettings.model_validate(
        {
            "epochs": settings.epochs,
            "lr": settings.lr,
            "seed": cell.seed,
            "accelerator": settings.accelerator,
            "intervention_start": 0.0,
            # Deterministic kernels slow a GPU, and a cell is scored as a whole; on a CPU the bits
            # are the same.
            "deterministic": False,
        }
    )
