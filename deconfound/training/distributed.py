"""The one place that knows Lightning Fabric's processes, devices and kernels."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from deconfound.errors import ConfigurationError, DeconfoundError
from deconfound.extras import missing_extra
from deconfound.training.settings import TrainingSettings

try:
    from lightning.fabric import Fabric as Fabric
    from lightning.fabric.strategies.single_device import SingleDeviceStrategy
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning_utilities.core import rank_zero
except ImportError as error:
    raise missing_extra("lightning", "training") from error


def launch(settings: TrainingSettings) -> Fabric:
    """Start the processes that the settings ask for, and return this process's handle.

    Several processes train with ``find_unused_parameters``: before the intervention starts its
    parameters take no part in the loss, which plain DDP answers with an error at the second step.

    Raises:
        ConfigurationError: a device or precision that this machine does not have.
    """
    if settings.deterministic:  # cuBLAS reads it once, when it is first used
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    options: dict[str, Any] = {
        "accelerator": settings.accelerator,
        "devices": settings.devices,
        "num_nodes": settings.num_nodes,
        "precision": settings.precision,
    }
    try:
        with warnings.catch_warnings():
            # On a cluster's login node Lightning advises srun, once for every model.
            warnings.filterwarnings("ignore", "The `srun` command is available")
            fabric = Fabric(**options)
            if not isinstance(fabric.strategy, SingleDeviceStrategy):
                fabric = Fabric(**options, strategy="ddp_find_unused_parameters_true")
    except (RuntimeError, ValueError, MisconfigurationException) as error:
        raise ConfigurationError(
            f"accelerator {settings.accelerator} with devices {settings.devices} cannot be used "
            f"here ({' '.join(str(error).split())}); try accelerator auto or cpu"
        ) from error
    with _without_advice():
        fabric.launch()
    return fabric


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep Lightning from advising to round products on a GPU, which would change the numbers."""

    def is_else(record: logging.LogRecord) -> bool:
        return "that has Tensor Cores" not in record.getMessage()

    logger = rank_zero.log  # whose name depends on what else of Lightning is imported
    logger.addFilter(is_else)
    try:
        yield
    finally:
        logger.removeFilter(is_else)


@contextmanager
def deterministic(on: bool) -> Iterator[None]:
    """Use deterministic kernels inside; an operation that has none runs all the same."""
    filling: Any = torch.utils.deterministic
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        filling.fill_uninitialized_memory,
    )
    torch.use_deterministic_algorithms(on, warn_only=True)
    filling.fill_uninitialized_memory = False  # slow, and nothing here reads it
    try:
        with warnings.catch_warnings():
            # On a GPU every training has such operations, in the middle of its progress; a report
            # says how far bits agree there.
            warnings.filterwarnings("ignore", ".* does not have a deterministic implementation")
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        filling.fill_uninitialized_memory = before[2]


def by_the_first(fabric: Fabric, work: Callable[[], object]) -> None:
    """Let the first process do what is done once; the others wait, and fail where it does.

    Args:
        fabric: from :func:`launch`.
        work: what is done.

    Raises:
        DeconfoundError: what ``work`` raised, in every process: none is left waiting.
    """
    error: DeconfoundError | None = None
    if fabric.is_global_zero:
        try:
            work()
        except DeconfoundError as failed:
            error = failed
    error = fabric.broadcast(error)
    if error is not None:
        raise error


def gather_counts(fabric: Fabric, counts: Tensor, rows: int) -> Tensor:
    """Bring the counts of all processes together; each is padded to ``rows`` with index -1."""
    if fabric.world_size == 1:
        return counts
    padded = counts.new_full((rows, counts.shape[1]), -1)
    padded[: len(counts)] = counts
    padded = fabric.to_device(padded)
    parts = [torch.empty_like(padded) for _ in range(fabric.world_size)]
    torch.distributed.all_gather(parts, padded)
    return torch.cat(parts)


def share_buffers(fabric: Fabric, model: nn.Module) -> None:
    """Let every process validate with the running statistics of the first."""
    if fabric.world_size > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, src=0)
