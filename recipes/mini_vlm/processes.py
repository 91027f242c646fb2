"""Several processes on one machine: each reads its part of a batch, gradients are averaged.

On shared cores this is steadier than threads, which wait for one another in every operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from torch.multiprocessing import get_context
from torch.multiprocessing.spawn import ProcessException, ProcessExitedException, spawn

from deconfound.errors import DeconfoundError, RunFolderError


def launch(
    work: Callable[..., None], processes: int, threads: int, run: Path, *arguments: Any
) -> None:
    """Call ``work(rank, *arguments)`` in every process; with one process, here.

    Args:
        work: what is done.
        processes: how many.
        threads: of each, if there are several.
        run: folder in which they meet.
        arguments: of ``work``, the rank aside.

    Raises:
        DeconfoundError: as a process raised it.
        RunFolderError: a process was ended from outside.
    """
    if processes == 1:
        work(0, *arguments)
        return
    meeting = run / "meeting"
    meeting.unlink(missing_ok=True)
    errors = get_context("spawn").SimpleQueue()
    try:
        spawn(_join, (work, processes, threads, meeting, errors, arguments), processes)
    except ProcessException as failed:
        if not errors.empty():
            raise errors.get() from failed
        if isinstance(failed, ProcessExitedException):
            raise RunFolderError(
                f"{run}: expected every process to finish, found that {failed}; the same command "
                f"resumes from the last checkpoint"
            ) from failed
        raise


def _join(
    rank: int,
    work: Callable[..., None],
    processes: int,
    threads: int,
    meeting: Path,
    errors: Any,
    arguments: tuple[Any, ...],
) -> None:
    torch.set_num_threads(threads)
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting.resolve()}", rank=rank, world_size=processes
    )
    try:
        work(rank, *arguments)
    except DeconfoundError as error:
        errors.put(error)  # spawn would hand on its traceback as text
        raise
    distributed.destroy_process_group()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Average gradients over the processes, if there are several."""
    if not distributed.is_initialized():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def same_everywhere(value: float) -> float:
    """Return the first process's value in every process."""
    if not distributed.is_initialized():
        return value
    shared = torch.tensor(value, dtype=torch.float64)
    distributed.broadcast(shared, 0)
    return float(shared)
