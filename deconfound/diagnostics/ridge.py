"""A linear classifier that is cross-validated in closed form, many label vectors at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Fold:
    """One split: rows it learns from, rows it is tested on, and how one predicts the other.

    Attributes:
        train: row numbers.
        test: row numbers.
        weights: (test, train), from centred targets of ``train`` to those of ``test``.
    """

    train: Array
    test: Array
    weights: Array


class RidgeProbe:
    """Ridge regression on indicators, the largest wins (scikit-learn's `RidgeClassifier`).

    It is linear in its targets, so the features are solved for once and any number of label
    vectors, as a permutation test brings, cost a product each.

    Args:
        features: (n, d); standardised on the rows that are learned from.
        fold: (n,), the fold in which each row is tested.
        penalty: α, on the standardised coefficients.
    """

    def __init__(self, features: Array, fold: Array, penalty: float = 1.0) -> None:
        self.folds = [_fold(features, fold == one, penalty) for one in np.unique(fold)]

    def predict(self, labels: Array) -> Array:
        """Return the label (n,) that each row gets from those outside its fold."""
        values, codes = np.unique(labels, return_inverse=True)
        targets = np.eye(len(values))[codes.reshape(-1)]
        predicted = np.empty(len(labels), dtype=int)
        for one in self.folds:
            mean = targets[one.train].mean(axis=0)
            scores = mean + one.weights @ (targets[one.train] - mean)
            predicted[one.test] = scores.argmax(axis=1)
        return values[predicted]


def _fold(features: Array, tested: Array, penalty: float) -> Fold:
    """Solve one split in its dual form, (n, n) however wide the features are."""
    train, test = np.flatnonzero(~tested), np.flatnonzero(tested)
    centre, scale = features[train].mean(axis=0), features[train].std(axis=0)
    x, y = ((features[rows] - centre) / np.where(scale > 0, scale, 1) for rows in (train, test))
    gram = x @ x.T + penalty * np.eye(len(train))
    return Fold(train, test, np.linalg.solve(gram, x @ y.T).T)
