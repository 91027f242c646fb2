"""How likely is each class, said by a model that has seen neither the image nor its patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deconfound.errors import ShapeError

FOLDS = 5
"""Of the cross-fitting, and the fewest patients of a class that is guessed."""

INVERSE_PENALTY = 10.0
"""C of the logistic regression, on embeddings of length one."""

Folds = list[tuple[np.ndarray, np.ndarray]]


def askable(
    class_index: np.ndarray, groups: Sequence[str] | None = None, *shown: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of images whose class can be guessed, and the patient of each, a number.

    Args:
        class_index: (n,), the class of each image; -1, unknown or none, is left out.
        groups: the patient of each image; None says that each has one of its own.
        shown: (n, d), embeddings by which they are to be guessed.

    Returns:
        Rows of the classes that have `FOLDS` patients each; none where these are fewer than two.

    Raises:
        ShapeError: arrays that do not fit each other.
    """
    count = len(class_index)
    fits = all(each.ndim == 2 and len(each) == count for each in shown)
    if not fits or class_index.ndim != 1 or (groups is not None and len(groups) != count):
        raise ShapeError(
            f"surroundings: expected embeddings (n, d) with n classes and groups, found "
            f"{' and '.join(str(each.shape) for each in shown) or 'none'}, {class_index.shape} and "
            f"{None if groups is None else len(groups)}"
        )
    who = np.arange(count) if groups is None else np.unique(groups, return_inverse=True)[1]
    kinds = np.unique(class_index[class_index >= 0])
    kept = [k for k in kinds if len(np.unique(who[class_index == k])) >= FOLDS]
    rows = np.flatnonzero(np.isin(class_index, kept)) if len(kept) > 1 else np.array([], dtype=int)
    return rows, who[rows]


def split(features: np.ndarray, classes: np.ndarray, who: np.ndarray) -> Folds:
    """Return the rows that are learned from and those that are asked, no patient in both."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    shuffled = {"n_splits": FOLDS, "shuffle": True, "random_state": 0}
    if len(np.unique(who)) == len(who):  # nobody to keep apart, and quicker by far
        return list(StratifiedKFold(**shuffled).split(features, classes))
    return list(StratifiedGroupKFold(**shuffled).split(features, classes, who))


def class_probabilities(
    features: np.ndarray,
    classes: np.ndarray,
    folds: Folds,
    weights: np.ndarray | None = None,
    inverse_penalty: float = INVERSE_PENALTY,
) -> np.ndarray:
    """Return P(k|s) of every image by logistic regression, out of sample.

    Args:
        features: s, (n, d); their length says nothing.
        classes: (n,)
        folds: from `split`.
        weights: (n,), of the images that are learned from; all alike by default.
        inverse_penalty: C of the regression.

    Returns:
        (n, K), for the K classes that occur, in their order.
    """
    from sklearn.linear_model import LogisticRegression

    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    weights = np.ones(len(classes)) if weights is None else weights
    kinds = np.unique(classes)
    likely = np.zeros((len(classes), len(kinds)))
    for learned, asked in folds:
        model = LogisticRegression(C=inverse_penalty, max_iter=1000)
        model.fit(unit[learned], classes[learned], sample_weight=weights[learned])
        known = np.searchsorted(kinds, model.classes_)
        likely[np.ix_(asked, known)] = model.predict_proba(unit[asked])
    return likely
