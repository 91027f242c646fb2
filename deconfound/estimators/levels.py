"""Where to average: before the head, at its logits, or at its probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from einops import einsum
from torch import Tensor

from deconfound.errors import ShapeError, unknown_name

Level = Literal["feature", "logit", "probability"]
Head = Callable[[Tensor], Tensor]


def average_outcomes(
    head: Head, effects: Tensor, prior: Tensor, level: Level = "feature", class_dim: int = -1
) -> Tensor:
    """Average what a head H says over the confounders, at one of three levels.

    ::

        "feature"      H(Σ_z P(z) A(f, z))               one pass of the head
        "logit"        Σ_z P(z) H(A(f, z))               M passes
        "probability"  logit(Σ_z P(z) σ(H(A(f, z))))     M passes

    The estimand P(Y|do(F)) = Σ_z P(Y|F, z) P(z) is the average of probabilities. The softmax of
    averaged logits is the normalised weighted geometric mean (NWGM) of the probabilities, which the
    literature puts in its place; averaging features equals averaging logits where H is affine.
    All three come back as logits, so that they can be told apart by number alone and
    any loss takes any of them.

    Args:
        head: H, from features (B', N, d) to logits with B' in front, such as a linear layer
            (B', N, C) or a decoder (B', C, H, W).
        effects: A(f, z_m), (B, M, N, d).
        prior: P(z), (M,), sums to one; or weights of each image, (B, M).
        level: where to average.
        class_dim: the axis of the head's output that holds C; only ``"probability"`` needs it.
            One channel is a sigmoid, more are a softmax.

    Returns:
        Logits of the head's shape, (B, …). At level ``"probability"`` with a softmax they are log
        probabilities.

    Raises:
        UnknownNameError: a level that is none of the three.
        ShapeError: effects that are not (B, M, N, d) with priors (M,) or (B, M).
    """
    if level not in get_args(Level):
        raise unknown_name("level", str(level), get_args(Level))
    if effects.ndim != 4 or prior.shape not in (effects.shape[1:2], effects.shape[:2]):
        raise ShapeError(
            f"average_outcomes: expected effects (B, M, N, d) and a prior (M,) or (B, M), "
            f"found {tuple(effects.shape)} and {tuple(prior.shape)}"
        )
    prior = prior.expand(effects.shape[:2])
    if level == "feature":
        return head(einsum(effects, prior, "b m n d, b m -> b n d"))
    logits = head(effects.flatten(0, 1)).unflatten(0, effects.shape[:2])
    if level == "logit":
        return einsum(logits, prior, "b m ..., b m -> b ...")
    return _average_probabilities(logits, prior, class_dim if class_dim < 0 else class_dim + 1)


def _average_probabilities(logits: Tensor, prior: Tensor, class_dim: int) -> Tensor:
    """Return the logits of Σ_m P(z_m) σ(logits_m), computed in logarithms: (B, M, …) to (B, …)."""
    # The logarithm's gradient at zero is infinite, and times nothing it would be NaN.
    positive = torch.where(prior > 0, prior, 1)
    log_prior = positive.log().masked_fill(prior == 0, -torch.inf)
    log_prior = log_prior.reshape(*prior.shape, *[1] * (logits.ndim - 2))
    if logits.shape[class_dim] > 1:
        return (logits.log_softmax(class_dim) + log_prior).logsumexp(dim=1)
    yes, no = F.logsigmoid(logits) + log_prior, F.logsigmoid(-logits) + log_prior
    return yes.logsumexp(dim=1) - no.logsumexp(dim=1)
