"""Scoring a model on a dataset, alone or with other processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deconfound.evaluating import evaluating
from deconfound.training.distributed import Fabric, gather_counts
from deconfound.training.loading import (
    Batch,
    ImageDataset,
    batches,
    evaluation_order,
    require_images,
)
from deconfound.training.metrics import MethodResult, SegmentationMetrics


def evaluate(
    model: nn.Module,
    dataset: ImageDataset,
    fabric: Fabric,
    *,
    method: str = "model",
    class_names: Sequence[str] = (),
    site_names: Sequence[str] = (),
    batch_size: int = 16,
    workers: int = 0,
) -> MethodResult:
    """Score a model on a dataset; every process scores its share and returns the whole.

    Args:
        model: as for :func:`fit`; it is put on the device, and its training mode is restored.
        dataset: images of one size.
        fabric: from :func:`launch`.
        method: name of the result.
        class_names: lesion classes in the order of ``class_index``.
        site_names: sites in the order of ``site_index``.
        batch_size: images at once.
        workers: loading processes.
    """
    require_images(dataset, "evaluation")
    segmenter: Any = fabric.to_device(model)
    metrics = SegmentationMetrics(segmenter.classes, class_names, site_names)
    with evaluating(segmenter):
        for position, logits, batch in predictions(segmenter, dataset, fabric, batch_size, workers):
            labels = (batch["class_index"], batch["site_index"], position)
            metrics.update(logits, batch["mask"], *labels)
    metrics.merge(gather_counts(fabric, metrics.counts, -(-len(dataset) // fabric.world_size)))
    return metrics.result(method)


@torch.no_grad()
def predictions(
    segmenter: Any, dataset: ImageDataset, fabric: Fabric, batch_size: int, workers: int
) -> Iterator[tuple[Tensor, Tensor, Batch]]:
    """Yield what a model on its device says of this process's share of a dataset.

    Yields:
        positions (B,) in the dataset, logits (B, C, H, W) in float32, and the batch.
    """
    order = evaluation_order(len(dataset), fabric.global_rank, fabric.world_size)
    # Positions, not the items' own index: joined datasets may count from 0 each.
    # A process without images has no batch, where split would give one that is empty.
    positions = torch.tensor(order).split(batch_size) if order else ()
    pinned = fabric.device.type == "cuda"
    loader = batches(dataset, order, batch_size, workers, seed=0, pin_memory=pinned)
    for position, loaded in zip(positions, loader, strict=True):
        batch = fabric.to_device(loaded)
        with fabric.autocast():
            logits = segmenter(segmenter.normalize(batch["image"]))
        yield position, logits.float(), batch
