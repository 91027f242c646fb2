"""Are classes confounded, and do weights help? What surroundings say of a lesion's class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deconfound.errors import ShapeError
from deconfound.estimators.weighting.cross_fitting import (
    Folds,
    askable,
    class_probabilities,
    split,
)

LESS = 0.06
"""Share of the images by which a class has to be told less often to count: a larger hidden place
hides a little of what lies all over, too (docs/results/causal.md)."""

SURE = 2.33
"""Standard errors by which it has to be less: one error in a hundred."""


@dataclass(frozen=True, slots=True)
class Balance:
    """How often the class of a lesion is guessed from an image in which the lesion is not seen.

    Attributes:
        told: share of images whose class is guessed right, out of sample; mean over classes, or a
            frequent one would be guessed for all, and told by nothing.
        weighted: the same with weights, in learning and in counting; as `told` without weights.
        chance: what guessing blindly gives, one over the number of classes.
        images: how many were guessed.
    """

    told: float
    weighted: float
    chance: float
    images: int

    @property
    def left(self) -> float:
        """How far the weighted guess lies from chance, 0, towards certainty, 1."""
        return max(0.0, self.weighted - self.chance) / (1 - self.chance)


def class_balance(
    surroundings: np.ndarray,
    class_index: np.ndarray,
    weights: np.ndarray | None = None,
    groups: Sequence[str] | None = None,
) -> Balance | None:
    """Guess classes from surroundings by logistic regression, cross-validated, each class alike.

    It is the balance diagnostic of propensity scores (Austin, Statistics in Medicine 2009) for
    confounders that nobody has labelled: where class and surroundings are independent, or made so
    by weights, the guess is as good as chance.

    Args:
        surroundings: (n, d), embeddings of images whose lesion is painted over.
        class_index: (n,), the class of each lesion; -1, unknown or none, is left out.
        weights: (n,), not negative.
        groups: the patient of each image, who is never both learned from and guessed.

    Returns:
        The balance; None where fewer than two classes have `FOLDS` images and patients each.

    Raises:
        ShapeError: arrays that do not fit each other.
    """
    if weights is not None and weights.shape != class_index.shape:
        raise ShapeError(
            f"class balance: expected a weight for each of {len(class_index)} classes, found "
            f"{weights.shape}"
        )
    rows, who = askable(class_index, groups, surroundings)
    if not len(rows):
        return None
    features, classes = surroundings[rows], class_index[rows]
    folds = split(features, classes, who)
    told = _guessed(features, classes, folds, np.ones(len(rows)))
    weighted = told if weights is None else _guessed(features, classes, folds, weights[rows])
    return Balance(told, weighted, 1 / len(np.unique(classes)), len(rows))


def told_by_the_margin(
    near: np.ndarray,
    far: np.ndarray,
    class_index: np.ndarray,
    groups: Sequence[str] | None = None,
) -> bool:
    """Say whether the class is told less often once more about the lesion is hidden.

    Both guesses are of the same images, so they are compared image by image, and a patient's images
    count together. It has to be less by `LESS` and by `SURE` standard errors, of what was told at
    all: a guess can fall below chance, and nothing is lost by that.

    Args:
        near: (n, d), embeddings of images whose lesion is painted over.
        far: (n, d), of the same images with what lies about the lesion painted over too.
        class_index: (n,), as in `class_balance`; False where that finds nothing to guess.
        groups: the patient of each image.

    Raises:
        ShapeError: arrays that do not fit each other.
    """
    rows, who = askable(class_index, groups, near, far)
    if not len(rows):
        return False
    classes = class_index[rows]
    alike = _alike(np.ones(len(rows)), classes)
    folds = split(near[rows], classes, who)
    before, after = (_right(seen[rows], classes, folds, alike) for seen in (near, far))
    less = np.bincount(who, alike * (before.astype(float) - after))
    error = max(float(np.sqrt(np.square(less).sum())), 1e-12)
    by_chance = len(rows) / len(np.unique(classes))
    lost = min(less.sum(), alike @ before - by_chance)  # what was guessed by chance told nothing
    return bool(lost > LESS * len(rows) and lost > SURE * error)


def can_be_told(class_index: np.ndarray, groups: Sequence[str] | None = None) -> bool:
    """Say whether there are two classes with `FOLDS` images and patients each, or more.

    Args:
        class_index: (n,), the class of each lesion; -1, unknown or none, is left out.
        groups: the patient of each image.
    """
    return len(askable(class_index, groups)[0]) > 0


def _guessed(features: np.ndarray, classes: np.ndarray, folds: Folds, weights: np.ndarray) -> float:
    """Return the weighted share that is guessed right out of sample, mean over classes."""
    weights = _alike(weights, classes)
    return float(np.average(_right(features, classes, folds, weights), weights=weights))


def _right(
    features: np.ndarray, classes: np.ndarray, folds: Folds, weights: np.ndarray
) -> np.ndarray:
    """Return which images are guessed right out of sample, (n,) bool."""
    likely = class_probabilities(features, classes, folds, weights)
    return np.unique(classes)[likely.argmax(axis=1)] == classes


def _alike(weights: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return weights that add up to the same for every class, and to the number of images."""
    _, kind = np.unique(classes, return_inverse=True)
    totals = np.bincount(kind, weights)
    return weights * len(weights) / (len(totals) * np.maximum(totals, 1e-12)[kind])
