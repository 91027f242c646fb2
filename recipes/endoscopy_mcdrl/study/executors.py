"""Where cells run: here, one after the other, or as jobs through submitit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from deconfound.errors import ConfigurationError, DeconfoundError
from deconfound.extras import missing_extra
from deconfound.training.models_progress import ModelsProgress

from ..console import note
from .cells import Cell, CellRecord
from .run_cell import run_cell
from .settings import StudySettings
from .store import Store
from .work import Work

POLL = 2.0
"""Seconds between two looks at the jobs."""


def run_work(work: Work, settings: StudySettings, console: Console) -> None:
    """Train and score every cell that is not finished, all rounds behind one bar.

    Raises:
        DeconfoundError: of the first cell that failed; those that finished are kept.
    """
    left = work.left()
    note(console, f"cells      {work.total}, {work.total - left} of them finished; {settings.out}")
    if not left:
        return
    if settings.executor == "slurm" and settings.accelerator != "cuda":
        note(console, "jobs       ask for no GPU; --accelerator cuda asks for one each")
    with ModelsProgress(left, console) as progress:
        for cells in work.rounds():
            progress.expect(work.left())
            _run(work.unfinished(cells), settings, work.store, progress)


def _run(
    cells: Sequence[Cell], settings: StudySettings, store: Store, progress: ModelsProgress
) -> None:
    if settings.executor != "here":
        _run_jobs(cells, settings, store, progress)
        return
    for cell in cells:
        progress.finished(_line(run_cell(cell, settings, progress)))


def _run_jobs(
    cells: Sequence[Cell], settings: StudySettings, store: Store, progress: ModelsProgress
) -> None:
    """Submit one job a cell, and wait for all; what fails does not stop the others.

    What came of a job is read in the store: its result, which submitit pickles, is never opened.
    """
    executor = _executor(settings)
    waiting, running, failed = list(cells), dict[Any, Cell](), list[str]()
    while waiting or running:
        room = _room(len(waiting), len(running), settings)
        running |= _submitted(executor, waiting[:room], settings)
        waiting = waiting[room:]
        done = [job for job in running if job.done()]
        for job in done:
            cell = running.pop(job)
            if store.is_finished(cell):
                progress.finished(_line(store.record(cell)))
            else:
                failed.append(f"{cell.name} (see {job.paths.stderr})")
                progress.finished(f"{cell.name}: failed")
        time.sleep(0 if done else POLL)
    if failed:
        raise DeconfoundError(
            f"{len(failed)} of {len(cells)} jobs ended without a finished cell, the first "
            f"{failed[0]}; remove the cause and give the command again, which repeats these alone"
        )


class CellJob:
    """One cell as a job. At its time limit, or preempted, SLURM queues it again, and it goes on.

    submitit asks for `checkpoint` when SLURM announces the end. Nothing is saved then: the cell's
    own folder holds its last finished epoch.
    """

    def __call__(self, cell: Cell, settings: StudySettings) -> CellRecord:
        """Run the cell."""
        return run_cell(cell, settings)

    def checkpoint(self, cell: Cell, settings: StudySettings) -> Any:
        """Return what is queued in its place: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, cell, settings)


def _room(waiting: int, running: int, settings: StudySettings) -> int:
    """Return how many jobs may be submitted now; SLURM holds its own array back."""
    return waiting if settings.executor == "slurm" else max(0, settings.jobs_at_once - running)


def _submitted(executor: Any, cells: Sequence[Cell], settings: StudySettings) -> dict[Any, Cell]:
    """Submit jobs together, as one array where the cluster has arrays."""
    from submitit.core.utils import FailedJobError

    if not cells:
        return {}
    try:
        with executor.batch():
            jobs = [executor.submit(CellJob(), cell, settings) for cell in cells]
    except FailedJobError as error:
        raise ConfigurationError(
            f"--executor {settings.executor}: expected {len(cells)} jobs to be accepted, they were "
            f"refused ({' '.join(str(error).split())}); see --partition, --job-minutes and "
            f"--accelerator"
        ) from error
    return dict(zip(jobs, cells, strict=True))


def _executor(settings: StudySettings) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise missing_extra("submitit", "running cells as jobs", extra="slurm") from error
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
        cpus_per_task=1 + settings.workers,
        **({"gpus_per_node": 1} if settings.accelerator == "cuda" else {}),
        slurm_array_parallelism=settings.jobs_at_once,
        **({"slurm_partition": settings.partition} if settings.partition else {}),
    )
    return executor


def _line(record: CellRecord) -> str:
    dice = 100 * record.validation_dice
    where = "on the held-out site itself (oracle)" if record.oracle else "in validation"
    return f"{record.cell.name}: {dice:.1f} Dice {where}, {record.seconds:.0f} s"
