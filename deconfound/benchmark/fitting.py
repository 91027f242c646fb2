"""Parts that are computed from images before training starts: prototypes, statistics, erasers."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch.utils.data import DataLoader

from deconfound.dictionaries import FitsData
from deconfound.encoders.level_interventions import FeatureStatistics, observe_levels
from deconfound.estimators.weighting import read_posterior
from deconfound.training.adjusting import TEMPERATURE


def fit_parts(model: Any, images: Any, batch: int = 32) -> None:
    """Fit whatever in a segmenter wants to see the training images first.

    Args:
        model: a :class:`~deconfound.CausalSegmenter`.
        images: items with ``image``, ``mask`` and ``class_index``.
        batch: images at once.
    """
    loader = DataLoader(images, batch_size=batch)
    if isinstance(model.dictionary, FitsData):
        model.dictionary.fit(model, loader)
    if isinstance(model.level_intervention, FeatureStatistics):
        read = partial(read_posterior, temperature=TEMPERATURE)
        model.level_intervention.fit(observe_levels(model, loader, read))
