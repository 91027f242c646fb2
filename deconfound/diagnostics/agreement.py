"""Does "dark" mean dark to this model? Readings of prompts against measured images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from deconfound.diagnostics.measured import Measurements
from deconfound.errors import DataError

Array = np.ndarray

WORDS: dict[str, tuple[str, int]] = {
    "uneven": ("unevenness", 1),
    "vignett": ("unevenness", 1),
    "dark": ("luminance", -1),
    "dim": ("luminance", -1),
    "underexposed": ("luminance", -1),
    "bright": ("luminance", 1),
    "overexposed": ("luminance", 1),
    "shadow": ("shadow", 1),
    "blur": ("sharpness", -1),
    "out of focus": ("sharpness", -1),
    "defocus": ("sharpness", -1),
    "noise": ("fine_detail", 1),
    "grain": ("fine_detail", 1),
    "reflection": ("saturated", 1),
    "specular": ("saturated", 1),
    "glare": ("saturated", 1),
    "narrow-band": ("coolness", 1),
    "narrow band": ("coolness", 1),
    "nbi": ("coolness", 1),
    "blood": ("coolness", -1),
}
"""How a word begins -> the statistic that should follow it, and its sign; the first match holds."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One prompt against one statistic.

    Attributes:
        confounder: the prompt's words.
        statistic: out of `deconfound.diagnostics.measured.STATISTICS`.
        sign: 1 where more of the confounder means more of the statistic, -1 where less.
        spearman: rank correlation of the reading with sign·statistic, -1 to 1.
        spearman_interval: 95 % of bootstrap draws of images.
        auc: chance that of two images, one above the median of sign·statistic and one below, the
            reading puts the first higher; 0.5 is no idea.
        auc_interval: 95 % of bootstrap draws.
        images: n
    """

    confounder: str
    statistic: str
    sign: int
    spearman: float
    spearman_interval: tuple[float, float]
    auc: float
    auc_interval: tuple[float, float]
    images: int


def statistic_for(prompt: str) -> tuple[str, int] | None:
    """Return the statistic and sign that fit a prompt's words, or None where nothing measures it.

    The first of `WORDS` with which a word of the prompt begins: "blur" is found in "a blurred
    view". Call `agreement` with a pair of your own where this misreads.
    """
    said = prompt.lower()
    return next((found for word, found in WORDS.items() if re.search(rf"\b{word}", said)), None)


def readings(pooled: Tensor, embeddings: Tensor) -> Array:
    """Return what a vision-language model reads: (n, M), cosines less their mean over prompts.

    Args:
        pooled: image embeddings, (n, d).
        embeddings: of the M prompts, (M, d), not centred.
    """
    cosines = F.normalize(pooled.double(), dim=-1) @ F.normalize(embeddings.double(), dim=-1).T
    return (cosines - cosines.mean(dim=1, keepdim=True)).detach().cpu().numpy()


def agreements(
    reading: Array,
    measured: Measurements,
    prompts: Sequence[str],
    *,
    draws: int = 500,
    seed: int = 0,
) -> tuple[Agreement, ...]:
    """Compare every prompt that something measures with its statistic, in the prompts' order.

    Args:
        reading: (n, M), such as `readings`.
        measured: of the same n images.
        prompts: M, in words.
        draws: bootstrap draws for each interval.
        seed: of the draws.
    """
    return tuple(
        agreement(reading[:, m], measured[found[0]], prompt, *found, draws=draws, seed=seed)
        for m, prompt in enumerate(prompts)
        if (found := statistic_for(prompt)) is not None
    )


def agreement(
    reading: Array,
    values: Array,
    confounder: str,
    statistic: str,
    sign: int = 1,
    *,
    draws: int = 500,
    seed: int = 0,
) -> Agreement:
    """Compare one reading with one statistic.

    Args:
        reading: (n,), higher is more of the confounder.
        values: (n,), the statistic.
        confounder: what to call the reading.
        statistic: what to call the values.
        sign: -1 where more of the confounder is less of the statistic.
        draws: bootstrap draws of images, for percentile intervals.
        seed: of the draws.

    Returns:
        Not-a-number where a side is the same for every image.

    Raises:
        DataError: lengths that differ, or fewer than three images.
    """
    if reading.shape != values.shape or reading.ndim != 1 or len(reading) < 3:
        raise DataError(
            f"agreement on {confounder!r}: expected as many readings as values, 3 or more, found "
            f"{reading.shape} and {values.shape}"
        )
    signed = sign * values
    high = signed > np.median(signed)
    rows = np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))
    rows = np.concatenate([np.arange(len(values))[None], rows])  # the first is the sample itself
    correlation, area = _spearman(reading[rows], signed[rows]), _auc(reading[rows], high[rows])
    return Agreement(
        confounder,
        statistic,
        sign,
        float(correlation[0]),
        _interval(correlation[1:]),
        float(area[0]),
        _interval(area[1:]),
        len(values),
    )


def _spearman(a: Array, b: Array) -> Array:
    """Return the rank correlation of each row: (draws, n) twice to (draws,)."""
    from scipy.stats import rankdata

    a, b = (x - x.mean(axis=1, keepdims=True) for x in (rankdata(a, axis=1), rankdata(b, axis=1)))
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.where(scale > 0, (a * b).sum(axis=1) / np.where(scale > 0, scale, 1), np.nan)


def _auc(scores: Array, positive: Array) -> Array:
    """Return the area under the ROC curve of each row, from ranks (Mann and Whitney)."""
    from scipy.stats import rankdata

    count = positive.sum(axis=1)
    pairs = count * (positive.shape[1] - count)
    wins = (rankdata(scores, axis=1) * positive).sum(axis=1) - count * (count + 1) / 2
    return np.where(pairs > 0, wins / np.where(pairs > 0, pairs, 1), np.nan)


def _interval(draws: Array) -> tuple[float, float]:
    if np.isnan(draws).all():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return float(low), float(high)
