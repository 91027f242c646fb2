"""Parts that are computed from images before training starts: prototypes, statistics, erasers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from deconfound.dictionaries import FitsData
from deconfound.encoders.level_interventions import (
    FeatureStatistics,
    LevelErasure,
    observe_levels,
)
from deconfound.encoders.level_interventions.observing import Read
from deconfound.estimators.weighting import balancing_weights, read_posterior
from deconfound.estimators.weighting.reading import TEMPERATURE
from deconfound.evaluating import evaluating
from deconfound.interventions import LeaceEraser, LeaceIntervention
from deconfound.interventions.covariances import RunningCovariances
from deconfound.training.loading import ImageDataset
from deconfound.training.reading import Watch, as_found, embed, named_confounders
from deconfound.types import Confounders


def fit_parts(
    model: Any, images: ImageDataset, progress: Watch | None = None, batch: int = 32
) -> None:
    """Fit whatever in a segmenter wants to see the training images first; nothing if nothing does.

    A dictionary is fitted before the interventions, and what the latter hold is of the confounders
    in words, see :func:`~deconfound.training.reading.named_confounders`, read in pictures that are
    weighed so that classes and confounders go apart.

    Args:
        model: a :class:`~deconfound.CausalSegmenter`, before its training starts; the images a
            resumed one is fitted to are the same.
        images: items with ``image``, ``mask`` and ``class_index``.
        progress: called with how many images were seen, and of how many; from the start for each
            part.
        batch: images at once.

    Raises:
        DataError: images that a part cannot be made of, such as fewer than a dictionary's clusters.
        ShapeError: maps too small for the statistics of a level.
    """
    images = as_found(images)
    if isinstance(model.dictionary, FitsData):
        model.dictionary.fit(model, _batches(images, batch, progress))
    levels, layer = model.level_intervention, model.intervention
    fits_levels = isinstance(levels, (FeatureStatistics, LevelErasure))
    if not (fits_levels or isinstance(layer, LeaceIntervention)):
        return
    z = named_confounders(model)
    rows = _balanced_posterior(model, images, z, progress, batch)

    def observed() -> tuple[Iterator[dict[str, Any]], Read]:
        taken = iter(rows.split(batch))  # batch by batch, in the order of the images
        return _batches(images, batch, progress), lambda *_: next(taken)

    if isinstance(levels, FeatureStatistics):
        levels.fit(observe_levels(model, *observed()), z.prior)
    if isinstance(levels, LevelErasure):
        levels.fit(observe_levels(model, *observed()))
    if isinstance(layer, LeaceIntervention):
        layer.take(_eraser_of_regions(model, *observed()))


def _balanced_posterior(
    model: Any, images: ImageDataset, z: Confounders, progress: Watch | None, batch: int
) -> Tensor:
    """Return P(z|x) times each image's weight, (n, M).

    Where class and confounder go together, what tells the classes apart would be taken for a mark
    of the confounder: it would be erased, or set with it.
    """
    pooled, classes = embed(model, images, progress, batch)
    posterior = read_posterior(pooled.float(), z, TEMPERATURE)
    weights = balancing_weights(posterior, classes, len(model.pack.class_names)).weights
    return posterior * weights.to(posterior)[:, None]


@torch.no_grad()
def _eraser_of_regions(model: Any, batches: Iterator[dict[str, Any]], read: Read) -> LeaceEraser:
    """Return what erases the confounder from the regions that the intervention gets."""
    covariances, device = RunningCovariances(), next(model.parameters()).device
    with evaluating(model):
        for batch in batches:
            traced = model.trace(model.normalize(batch["image"].to(device)))
            covariances.add(traced.regions.features, read(traced.pooled, traced.confounders))
    return covariances.eraser()


def _batches(images: ImageDataset, batch: int, progress: Watch | None) -> Iterator[dict[str, Any]]:
    for number, loaded in enumerate(DataLoader(images, batch_size=batch), start=1):  # type: ignore[arg-type]
        yield loaded
        if progress is not None:
            progress(min(number * batch, len(images)), len(images))
