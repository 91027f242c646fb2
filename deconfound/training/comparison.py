"""How far two methods differ on the same images, and how sure one can be of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deconfound.training.metrics import MethodResult


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean per-image difference in Dice, second method minus first.

    Attributes:
        mean: between -1 and 1.
        low: lower end of the 95 % bootstrap interval over images.
        high: its upper end.
        images: how many images both methods were scored on.
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
        The difference, or None where fewer than two images are shared.
    """
    _, one, other = np.intersect1d(first.index, second.index, return_indices=True)
    if len(one) < 2:
        return None
    differences = second.dice[other] - first.dice[one]
    picks = np.random.default_rng(seed).integers(len(one), size=(draws, len(one)))
    low, high = np.quantile(differences[picks].mean(axis=1), (0.025, 0.975))
    return PairedDifference(float(differences.mean()), float(low), float(high), len(one))
