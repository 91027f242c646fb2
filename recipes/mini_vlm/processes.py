"""Several processes on one machine: each reads its part of a batch, gradients are averaged.

On shared cores this is steadier than threads, which wait for one another in every operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from torch.multiprocessing.spawn import spawn


def launch(work: Callable[..., None], processes: int, run: Path, *arguments: Any) -> None:
    """Call ``work(rank, *arguments)`` in every process; with one process, here."""
    if processes == 1:
        work(0, *arguments)
        return
    meeting = run / "meeting"
    meeting.unlink(missing_ok=True)
    spawn(_join, (work, processes, meeting, arguments), processes)


def _join(
    rank: int, work: Callable[..., None], processes: int, meeting: Path, arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting.resolve()}", rank=rank, world_size=processes
    )
    work(rank, *arguments)
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
