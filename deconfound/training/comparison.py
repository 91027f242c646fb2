"""How far two methods differ on the same images, and how sure one can be of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deconfound.errors import DataError
from deconfound.training.metrics import MethodResult


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean per-image difference in Dice, second method minus first.

    Attributes:
        mean: between -1 and 1.
        low: lower end of the 95 % bootstrap interval over images.
        high: its upper end.
        images: how many images.
    """

    mean: float
    low: float
    high: float
    images: int

    @property
    def settled(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def paired_difference(
    first: MethodResult, second: MethodResult, draws: int = 2000, seed: int = 0
) -> PairedDifference | None:
    """Compare two methods image by image (percentile bootstrap).

    The interval tells what another draw of *images* would change. It knows nothing of another
    training seed, and frames of one patient are not independent, so it is a lower bound on doubt.

    Args:
        first: usually the baseline.
        second: the other method.
        draws: bootstrap samples.
        seed: of the resampling.

    Returns:
        The difference, or None for fewer than two images.

    Raises:
        DataError: the two were scored on different images; none is left out in silence.
    """
    order, other = np.argsort(first.index), np.argsort(second.index)
    if not np.array_equal(first.index[order], second.index[other]):
        apart = np.setxor1d(first.index, second.index)
        raise DataError(
            f"{first.method} and {second.method}: expected scores of the same images, found "
            f"{len(apart)} that one of them lacks; evaluate both on the same site"
        )
    images = len(order)
    if images < 2:
        return None
    differences = second.dice[other] - first.dice[order]
    picks = np.random.default_rng(seed).integers(images, size=(draws, images))
    low, high = np.quantile(differences[picks].mean(axis=1), (0.025, 0.975))
    return PairedDifference(float(differences.mean()), float(low), float(high), images)
