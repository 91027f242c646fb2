"""Values that are known in some places, continued smoothly into all others."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def continued(values: Tensor, known: Tensor) -> Tensor:
    """Fill what is not known from coarser and coarser copies of what is.

    Pull-push interpolation (Gortler et al., The Lumigraph, SIGGRAPH 1996): a few passes over the
    picture, where solving Laplace's equation for the same purpose takes hundreds.

    Args:
        values: (B, C, H, W).
        known: (B, H, W), bool.

    Returns:
        (B, C, H, W): the values where known, elsewhere between the least and the largest of them;
        0 for a picture of which nothing is known.
    """
    height, width = values.shape[-2:]
    weight = known[:, None].to(values)
    if height == width == 1 or known.all():
        return values * weight
    half = (-(-height // 2), -(-width // 2))
    share = F.interpolate(weight, half, mode="area")
    mean = F.interpolate(values * weight, half, mode="area") / share.clamp_min(1e-6)
    smooth = F.interpolate(
        continued(mean, share[:, 0] > 0), (height, width), mode="bilinear", align_corners=False
    )
    return torch.where(known[:, None], values, smooth)
