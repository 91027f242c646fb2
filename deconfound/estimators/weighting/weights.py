"""Weights under which class and confounder are independent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError


@dataclass(frozen=True, slots=True, eq=False)
class WeightReport:
    """Weights, and what they cost.

    Attributes:
        weights: (n,) float64, of mean one.
        ess: effective sample size, in images; n where all weigh alike.
        largest: the largest weight.
        clipped_share: share of the images whose weight was cut.
        unseen: Σ P(k)P(z) over pairs that never occur together, in [0, 1): what no weight can make
            up for. Near 0 wherever readings are soft; `ess` then tells of poor overlap.
    """

    weights: Tensor
    ess: float
    largest: float
    clipped_share: float
    unseen: float


def balancing_weights(
    posterior: Tensor,
    class_index: Tensor,
    num_classes: int,
    clip: float | None = 10.0,
    *,
    quantile: float = 1.0,
    site_index: Tensor | None = None,
) -> WeightReport:
    """Return the stabilised weights w = Σ_z P(z|x) · P(k)P(z) / P(k,z).

    With z known this is inverse-propensity weighting, P(k)/P(k|z) (Robins, Hernán and Brumback,
    "Marginal structural models", Epidemiology 2000): among weighted images, k says nothing of z,
    and what is learned of P(Y|F) is P(Y|do(F)). With z merely read, the *expected* weight is taken
    (not the inverse of the expected propensity): for whatever is computed from the image it has
    the same mean as the weight that knows z, if the reading is calibrated (and nothing to do with
    the true weight if it is not). P(k,z) is the mean of 1[k_i = k]·P(z|x_i), so every class keeps
    its share of the total weight, where each confounder is seen with it.

    Args:
        posterior: P(z|x), (n, M), rows sum to one; one-hot where z is known.
        class_index: (n,), int64, 0 to K-1. -1, no lesion or an unknown one, is balanced as a class
            of its own.
        num_classes: K
        clip: cut weights at this many times their mean, 1 or more; None does not. It trades bias
            for variance. Weights are scaled to mean one afterwards, so the largest can end a little
            above.
        quantile: cut weights at this quantile of theirs, in (0, 1]. The lower of the two counts.
        site_index: (n,), int64. If given, every probability above is one at the image's site: a
            site's habits are then not taken for an effect of z, and every site and every class in
            it keeps its share, likewise.

    Raises:
        ShapeError: arguments that do not fit each other, or no image.
        ConfigurationError: rows that are no probabilities, a class outside -1 to K-1, or a limit
            out of its range.
    """
    _check(posterior, class_index, num_classes, site_index)
    _check_limits(clip, quantile)
    q = posterior.detach().double()
    row = class_index.to(q.device) + 1  # in a table whose first row is -1
    raw, unseen = q.new_zeros(len(q)), 0.0
    for here in _sites(site_index, len(q)):
        joint = q.new_zeros(num_classes + 1, q.shape[1]).index_add(0, row[here], q[here])
        joint = joint / joint.sum()
        raw[here] = (q[here] * balancing_ratios(joint)[row[here]]).sum(dim=-1)
        unseen += _unseen(joint) * len(here) / len(q)
    limit = raw.quantile(quantile)
    if clip is not None:
        limit = limit.minimum(clip * raw.mean())
    cut = raw.minimum(limit)
    weights = cut / cut.mean()
    clipped = (raw > limit).double().mean().item()
    return WeightReport(
        weights, effective_sample_size(weights), weights.max().item(), clipped, unseen
    )


def balancing_ratios(joint: Tensor) -> Tensor:
    """Return P(k)P(z)/P(k,z) for a table P(k,z) (K, M); 0 for pairs that never occur."""
    apart = joint.sum(dim=1, keepdim=True) * joint.sum(dim=0)
    return torch.where(joint > 0, apart / joint, 0)


def effective_sample_size(weights: Tensor) -> float:
    """Return (Σw)²/Σw²: as many images of equal weight would vary as little (Kish 1965).

    Args:
        weights: (n,), not negative, not all zero.
    """
    w = weights.detach().double()
    return (w.sum().square() / w.square().sum()).item()


def _unseen(joint: Tensor) -> float:
    apart = joint.sum(dim=1, keepdim=True) * joint.sum(dim=0)
    return apart[joint == 0].sum().item()


def _sites(site_index: Tensor | None, images: int) -> Iterator[Tensor]:
    """Yield the positions of each site's images; all of them where no site is given."""
    if site_index is None:
        yield torch.arange(images)
        return
    sites = site_index.cpu()
    for site in sites.unique():
        yield (sites == site).nonzero()[:, 0]


def _check(
    posterior: Tensor, class_index: Tensor, num_classes: int, site_index: Tensor | None
) -> None:
    """Raise unless there is one distribution, one class and one site for each image."""
    count = posterior.shape[:1]
    sites = count if site_index is None else site_index.shape
    if posterior.ndim != 2 or 0 in posterior.shape or not class_index.shape == sites == count:
        raise ShapeError(
            f"balancing weights: expected posteriors (n, M) with one class and one site for each "
            f"image, found {tuple(posterior.shape)}, {tuple(class_index.shape)} and {tuple(sites)}"
        )
    off = (posterior.sum(dim=-1) - 1).abs().max().item()
    if not off < 1e-3 or bool((posterior < 0).any()):
        raise ConfigurationError(
            f"balancing weights: expected rows of probabilities that sum to one, found a row that "
            f"is {off:.3g} away from it, or a negative entry"
        )
    low, high = int(class_index.min()), int(class_index.max())
    if low < -1 or high >= num_classes:
        raise ConfigurationError(
            f"balancing weights: expected classes from -1 to {num_classes - 1}, "
            f"found {low} to {high}"
        )


def _check_limits(clip: float | None, quantile: float) -> None:
    if clip is not None and not clip >= 1:
        raise ConfigurationError(f"balancing weights: clip must be ≥ 1 or None, found {clip}")
    if not 0 < quantile <= 1:
        raise ConfigurationError(f"balancing weights: quantile must be in (0, 1], found {quantile}")
