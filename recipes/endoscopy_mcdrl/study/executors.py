"""Where cells run: here, one after the other, or as jobs through submitit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from deconfound.errors import ConfigurationError, DeconfoundError
from deconfound.training.extras import missing_extra
from deconfound.training.models_progress import ModelsProgress

from ..console import note
from .cells import Cell, CellRecord
from .run_cell import run_cell
from .settings import StudySettings
from .store import Store

POLL = 2.0
"""Seconds between two looks at the jobs."""


def run_cells(
    cells: Sequence[Cell], settings: StudySettings, store: Store, console: Console
) -> None:
    """Train and score every cell that is not finished.

    Raises:
        DeconfoundError: of the first cell that failed; those that finished are kept.
    """
    wanted = list(dict.fromkeys(cells))
    left = [cell for cell in wanted if not store.is_finished(cell)]
    finished = len(wanted) - len(left)
    note(console, f"cells      {len(wanted)}, {finished} of them finished; {settings.out}")
    if not left:
        return
    with ModelsProgress(len(left), console) as progress:
        if settings.executor == "here":
            for cell in left:
                progress.finished(_line(run_cell(cell, settings, progress)))
        else:
            _run_jobs(left, settings, store, progress)


def _run_jobs(
    cells: Sequence[Cell], settings: StudySettings, store: Store, progress: ModelsProgress
) -> None:
    """Submit one job a cell, and wait for all; what fails does not stop the others."""
    executor = _executor(settings)
    with executor.batch():
        jobs = [executor.submit(run_cell, cell, settings) for cell in cells]
    waiting = dict(zip(jobs, cells, strict=True))
    failed: list[str] = []
    while waiting:
        for job in [job for job in waiting if job.done()]:
            cell = waiting.pop(job)
            if store.is_finished(cell):
                progress.finished(_line(store.record(cell)))
            else:
                failed.append(f"{cell.name} (see {job.paths.stderr})")
                progress.finished(f"{cell.name}: failed")
        time.sleep(POLL if waiting else 0)
    if failed:
        raise DeconfoundError(
            f"{len(failed)} of {len(cells)} jobs ended without a finished cell, the first "
            f"{failed[0]}; mend the cause and give the command again, which repeats these alone"
        )


def _executor(settings: StudySettings) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise missing_extra("submitit", "running cells as jobs") from error
    try:
        executor = submitit.AutoExecutor(settings.out / "jobs", cluster=settings.executor)
    except RuntimeError as error:
        raise ConfigurationError(
            f"--executor {settings.executor}: expected a machine with SLURM's sbatch and srun, "
            f"found none ({error}); run it on the cluster's login node, or with --executor here"
        ) from error
    executor.update_parameters(
        name="deconfound",
        timeout_min=settings.job_minutes,
        cpus_per_task=max(1, settings.workers),
        **({"gpus_per_node": settings.devices} if settings.accelerator == "cuda" else {}),
        slurm_array_parallelism=settings.jobs_at_once,
        **({"slurm_partition": settings.partition} if settings.partition else {}),
    )
    return executor


def _line(record: CellRecord) -> str:
    dice = 100 * record.validation_dice
    return f"{record.cell.name}: {dice:.1f} Dice in validation, {record.seconds:.0f} s"
