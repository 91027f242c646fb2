"""Position embeddings and image sizes, for a grid that is not the one a tower was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def resize_positions(
    positions: Tensor, native: tuple[int, int], grid: tuple[int, int], prefix: int = 1
) -> Tensor:
    """Interpolate position embeddings bicubically to another grid; the stored ones stay.

    Args:
        positions: (prefix + h·w, c), the embeddings as trained, class or mean token first.
        native: (h, w), the grid they were trained on.
        grid: (h', w'), the grid that is wanted.
        prefix: how many leading rows belong to no location and stay as they are.

    Returns:
        (prefix + h'·w', c); at the native grid the very tensor that came in.
    """
    if native == grid:
        return positions
    spatial = positions[prefix:].float().reshape(1, *native, -1).permute(0, 3, 1, 2)
    spatial = F.interpolate(spatial, size=grid, mode="bicubic", align_corners=False)
    spatial = spatial.flatten(2).squeeze(0).transpose(0, 1).to(positions.dtype)
    return torch.cat([positions[:prefix], spatial], dim=0)


def nearest_multiple(size: int, multiple: int) -> int:
    """Return the multiple of ``multiple`` that is nearest to ``size``, at least one of it."""
    return max(1, (2 * size + multiple) // (2 * multiple)) * multiple


def resample(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Resample maps (B, C, H, W) bilinearly to ``size``; at that size return them as they are."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)
