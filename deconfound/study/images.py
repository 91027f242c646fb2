"""Every image of a dataset scored by itself, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from deconfound.evaluating import evaluating
from deconfound.extras import missing_extra
from deconfound.overlap import per_image_scores, predicted_mask
from deconfound.study.surface import surface_scores
from deconfound.training.distributed import Fabric, gather_counts
from deconfound.training.evaluation import predictions
from deconfound.training.loading import ImageDataset, require_images
from deconfound.training.metrics import SegmentationMetrics

if TYPE_CHECKING:
    from pandas import DataFrame


def score_images(
    model: nn.Module,
    dataset: ImageDataset,
    fabric: Fabric,
    *,
    batch_size: int = 16,
    workers: int = 0,
    tolerance: float = 2.0,
) -> DataFrame:
    """Score a model on every image; every process scores its share and returns the whole.

    The scores are those of :func:`deconfound.training.evaluate`, image by image, and the distances
    of :func:`surface_scores`. There is a row for every image, whatever was predicted on it.

    Args:
        model: as for :func:`deconfound.training.fit`; it is put on the device, and its training
            mode is restored.
        dataset: images of one size.
        fabric: from :func:`deconfound.training.launch`.
        batch_size: images at once.
        workers: loading processes.
        tolerance: of NSD, in pixels.

    Returns:
        One row per image, in the order of the dataset: ``index`` (position in it), ``class_index``,
        ``site_index``; ``dice``, ``iou``, ``acc`` and ``nsd``, between 0 and 1; ``hd95``, in
        pixels; ``tp``, ``fp``, ``fn``, ``tn``, in pixels, summed over the lesion classes.

    Raises:
        DataError: a dataset without images, or an image that cannot be read.
        ConfigurationError: pandas or MONAI is not installed.
    """
    require_images(dataset, "evaluation")
    segmenter: Any = fabric.to_device(model)
    metrics = SegmentationMetrics(segmenter.classes)
    surfaces = [torch.zeros(0, 3, dtype=torch.float64)]
    with evaluating(segmenter):
        for position, logits, batch in predictions(segmenter, dataset, fabric, batch_size, workers):
            labels = (batch["class_index"], batch["site_index"], position)
            metrics.update(logits, batch["mask"], *labels)
            distances = surface_scores(predicted_mask(logits), batch["mask"], tolerance)
            surfaces.append(torch.stack([position.double(), *distances], dim=1))
    share = -(-len(dataset) // fabric.world_size)
    metrics.merge(gather_counts(fabric, metrics.counts, share))
    surface = gather_counts(fabric, torch.cat(surfaces), share).cpu()
    return _table(metrics, surface[surface[:, 0] >= 0])


def _table(metrics: SegmentationMetrics, surface: Tensor) -> DataFrame:
    """One row per image from what was counted, and (images, 3): position, HD95, NSD."""
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise missing_extra("pandas", "a table of images") from error
    counts = metrics.counts[metrics.counts[:, 0].argsort()].numpy()
    surface = surface[surface[:, 0].argsort()]
    table = counts[:, 3:].reshape(len(counts), metrics.num_classes, 4)
    lesions = table if metrics.num_classes == 1 else table[:, 1:]
    scores = per_image_scores(table)
    return DataFrame(
        {
            **dict(zip(("index", "class_index", "site_index"), counts[:, :3].T, strict=True)),
            **dict(zip(("dice", "iou", "acc"), scores.T, strict=True)),
            "hd95": surface[:, 1].numpy(),
            "nsd": surface[:, 2].numpy(),
            **dict(zip(("tp", "fp", "fn", "tn"), lesions.sum(axis=1).T, strict=True)),
        }
    )
