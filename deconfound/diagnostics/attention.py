"""Does attention look at the image, or does it repeat the prior?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from deconfound.errors import ShapeError


@dataclass(frozen=True, slots=True, eq=False)
class AttentionDivergence:
    """How far the weights of an intervention lie from P(z).

    Attributes:
        per_region: (B, N), KL(weights ‖ prior) / log M, 0 where a region's weights are the prior.
        mean: over all regions.
        weights: (M,), mean weight of each confounder.
        prior: (M,), P(z).
    """

    per_region: Tensor
    mean: float
    weights: Tensor
    prior: Tensor


def attention_divergence(weights: Tensor, prior: Tensor) -> AttentionDivergence:
    """Return KL(weights ‖ P(z)) of every region, in units of log M.

    The backdoor sum weighs by P(z) alone, so an adjusting layer has 0 here. With a uniform prior, 1
    means that each region listens to a single confounder. A number well above 0 says that weights
    follow the region; it does not say that they follow the confounder.

    Args:
        weights: (B, N, M), sum to one over M, as `Intervened.weights`.
        prior: P(z), (M,). A confounder with weight and without a prior makes the divergence
            infinite.

    Raises:
        ShapeError: weights that are not (B, N, M) with M priors.
    """
    if weights.ndim != 3 or prior.shape != weights.shape[-1:]:
        raise ShapeError(
            f"attention divergence: expected weights (B, N, M) and a prior (M,), found "
            f"{tuple(weights.shape)} and {tuple(prior.shape)}"
        )
    w, p = weights.detach().double(), prior.detach().double()
    divergence = (torch.xlogy(w, w) - torch.xlogy(w, p)).sum(dim=-1)
    unit = math.log(len(p)) or 1.0  # a single confounder: every divergence is 0
    per_region = divergence.clamp(min=0) / unit  # rounding alone makes it negative
    return AttentionDivergence(per_region, per_region.mean().item(), w.mean(dim=(0, 1)), p)
