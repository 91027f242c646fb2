"""The seam between what is put in and what is there, and how far from the lesion it runs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def soft_edge(lesion: Tensor) -> Tensor:
    """Return how much of each pixel comes along: 1 on the lesion, falling off just outside it.

    A hard edge would tell what was put in.

    Args:
        lesion: (B, H, W), bool.

    Returns:
        (B, 1, H, W) in [0, 1]; 0 beyond 1/24 of the width, or 2 pixels, from the lesion.
    """
    size = max(3, edge_width(lesion) | 1)
    wide = F.max_pool2d(lesion[:, None].float(), size, 1, size // 2)
    return F.avg_pool2d(wide, size, 1, size // 2, count_include_pad=False)


def grown(lesion: Tensor, margin: float) -> Tensor:
    """Return lesions with what lies about them, (B, H, W), bool.

    Args:
        lesion: (B, H, W), bool.
        margin: width of what is added, in diameters of a disc as large as the lesion.
    """
    if not margin:
        return lesion
    radii = (margin * 2 * (lesion.flatten(1).sum(dim=1) / torch.pi).sqrt()).round().int().tolist()
    return torch.cat([dilated(one[None], by) for one, by in zip(lesion, radii, strict=True)])


def dilated(lesion: Tensor, by: int) -> Tensor:
    """Return lesions (B, H, W) with all that lies within a square ``by`` pixels about them."""
    across = F.max_pool2d(lesion[:, None].float(), (1, 2 * by + 1), 1, (0, by))
    return F.max_pool2d(across, (2 * by + 1, 1), 1, (by, 0))[:, 0] > 0


def edge_width(image: Tensor) -> int:
    """Return how far the edge of a lesion reaches, in pixels: 1/24 of the width."""
    return max(1, round(image.shape[-1] / 24))
