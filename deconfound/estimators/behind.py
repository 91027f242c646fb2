"""The sum over confounders behind a decoder: masks are averaged, and not features."""

from __future__ import annotations

import torch
from torch import Tensor

from deconfound.estimators.levels import Head, Level, average_outcomes


def average_behind(decode: Head, effects: Tensor, weights: Tensor, level: Level) -> Tensor:
    """Decode the regions under each confounder, and average what the decoder says.

    Args:
        decode: from features (B, N, d) to logits (B, C, H, W), for the images of one batch; it is
            passed once for each confounder.
        effects: A(f, z_m), (B, M, N, d).
        weights: of an estimator, (B, N, M), which for a whole image are their mean: P(z) for
            enumeration, the reading P(z|x) for standardisation in training.
        level: ``"logit"`` or ``"probability"``, see `average_outcomes`.

    Returns:
        Logits (B, C, H, W).
    """

    def head(features: Tensor) -> Tensor:  # (B·M, N, d), the confounders of an image in a row
        under_each = features.unflatten(0, effects.shape[:2]).unbind(dim=1)
        return torch.stack([decode(one) for one in under_each], dim=1).flatten(0, 1)

    return average_outcomes(head, effects, weights.mean(dim=1), level, class_dim=1)
