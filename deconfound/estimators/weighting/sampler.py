"""Weights as how often an image is drawn."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from deconfound.errors import ConfigurationError


def weighted_order(weights: Tensor, count: int, seed: int, epoch: int) -> list[int]:
    """Return which images one epoch draws, in order: systematic resampling, shuffled.

    An image whose share count·w/Σw is 2.3 is drawn two or three times, never less or more, and 2.3
    times on average over seeds. Independent draws would have that mean too, and far more spread.

    Args:
        weights: (n,), finite, not negative, not all zero.
        count: how many draws, 1 or more.
        seed: of the training.
        epoch: 0-based; the same seed and epoch give the same order.

    Raises:
        ConfigurationError: weights or a count that nothing can be drawn by.
    """
    w = weights.detach().cpu().double().numpy()
    if w.ndim != 1 or count < 1 or not (np.isfinite(w).all() and (w >= 0).all() and w.sum() > 0):
        raise ConfigurationError(
            f"weighted order: expected finite weights (n,) that are ≥ 0 and not all 0, and a count "
            f"of at least 1, found weights {w.shape} with sum {w.sum():.3g} and count {count}"
        )
    random = np.random.default_rng((seed, epoch))
    shuffled = random.permutation(len(w))  # so that neighbours in the data set share no fate
    ends = np.cumsum(w[shuffled])
    offset = random.integers(2**24) / 2**24  # few enough bits that no sum below is rounded up
    ticks = np.arange(count) + offset
    drawn = shuffled[np.searchsorted(ends / ends[-1] * count, ticks, side="right")]
    return random.permutation(drawn).tolist()
