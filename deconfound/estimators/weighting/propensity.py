"""Weights under which surroundings say nothing of the class, whatever confounders there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from deconfound.errors import ConfigurationError
from deconfound.estimators.weighting.cross_fitting import askable, class_probabilities, split
from deconfound.estimators.weighting.weights import WeightReport, effective_sample_size

INVERSE_PENALTIES = (1.0, 10.0, 100.0)
"""C of the logistic regressions that are tried: embeddings tell more of some confounders."""


def propensity_weights(
    surroundings: np.ndarray,
    class_index: np.ndarray,
    groups: Sequence[str] | None = None,
    clip: float = 20.0,
) -> WeightReport:
    """Return the stabilised weights w = P(k) / P(k|s), s being what an image shows but its lesion.

    Inverse-propensity weighting (Robins, Hernán and Brumback, "Marginal structural models",
    Epidemiology 2000) with the whole of the surroundings as covariates. `balancing_weights` needs
    somebody to name the confounders and a VLM that reads them; here neither is asked. Any
    confounder that shows outside of the lesion is balanced, as long as each class is seen without
    it now and then. What surroundings *rightly* tell of a class, as an organ does, is balanced
    away too.

    P(k|s) is cross-fitted, or a model that knows the images by heart would be sure of them all:
    each image's is said by a logistic regression that has seen none of its patient's (Chernozhukov
    et al., "Double/debiased machine learning", Econometrics Journal 2018). Of several penalties,
    that counts under which the classes are likeliest, out of sample.

    Args:
        surroundings: s, (n, d), embeddings of images whose lesion is painted over.
        class_index: k, (n,), the class of each lesion. -1, none or an unknown one, weighs 1, and so
            do classes of fewer patients than there are folds.
        groups: the patient of each image; None says that each has one of its own.
        clip: largest weight, 1 or more, before each class is brought back to its own share.

    Returns:
        Weights of mean one, in every class and as a whole.

    Raises:
        ShapeError: arrays that do not fit each other.
        ConfigurationError: a limit below 1.
    """
    if not clip >= 1:
        raise ConfigurationError(f"propensity weights: clip must be 1 or more, found {clip}")
    rows, who = askable(class_index, groups, surroundings)
    weights, clipped = np.ones(len(class_index)), 0
    if len(rows):
        features, classes = surroundings[rows], class_index[rows]
        _, kind, count = np.unique(classes, return_inverse=True, return_counts=True)
        raw = count[kind] / len(rows) / _own_class(features, kind, who)
        cut = np.minimum(raw, clip)
        weights[rows] = cut / (np.bincount(kind, cut) / count)[kind]
        clipped = int((raw > clip).sum())
    found = torch.from_numpy(weights)
    return WeightReport(
        found, effective_sample_size(found), found.max().item(), clipped / len(weights), 0.0
    )


def _own_class(features: np.ndarray, kind: np.ndarray, who: np.ndarray) -> np.ndarray:
    """Return P(k|s) of the class that each image has, one of 0 to K-1; (n,), above 0."""
    folds, images = split(features, kind, who), np.arange(len(kind))
    tried = [
        class_probabilities(features, kind, folds, inverse_penalty=c)[images, kind]
        for c in INVERSE_PENALTIES
    ]
    return max((np.maximum(own, 1e-12) for own in tried), key=lambda own: np.log(own).sum())
