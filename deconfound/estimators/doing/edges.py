"""The seam between what is put in and what is there."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def soft_edge(lesion: Tensor) -> Tensor:
    """Return how much of each pixel comes along: 1 on the lesion, falling off just outside it.

    A hard edge would tell what was put in.

    Args:
        lesion: (B, H, W), bool.

    Returns:
        (B, 1, H, W) in [0, 1]; 0 beyond 1/24 of the width from the lesion.
    """
    size = max(3, round(lesion.shape[-1] / 24) | 1)
    wide = F.max_pool2d(lesion[:, None].float(), size, 1, size // 2)
    return F.avg_pool2d(wide, size, 1, size // 2, count_include_pad=False)
