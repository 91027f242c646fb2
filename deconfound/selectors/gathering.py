"""From a map to regions and back: the only two places where locations are indexed."""

from __future__ import annotations

from einops import rearrange, repeat
from torch import Tensor

from deconfound.types import Regions


def gather(dense: Tensor, index: Tensor) -> Regions:
    """Pick locations of a map.

    Args:
        dense: (B, d, h, w).
        index: (B, N), int64 positions in the flattened h·w grid.

    Returns:
        Regions with features (B, N, d).
    """
    tokens = rearrange(dense, "b d h w -> b (h w) d")
    return Regions(tokens.gather(1, repeat(index, "b n -> b n d", d=tokens.shape[-1])), index)


def scatter(dense: Tensor, index: Tensor, features: Tensor) -> Tensor:
    """Put regions back into their map; every other location keeps its own features, bit for bit.

    Args:
        dense: (B, d, h, w), the map that the regions were picked from; left as it is.
        index: (B, N), their positions.
        features: (B, N, d), what now stands there.

    Returns:
        (B, d, h, w).
    """
    tokens = rearrange(dense, "b d h w -> b (h w) d")
    where = repeat(index, "b n -> b n d", d=tokens.shape[-1])
    merged = tokens.scatter(1, where, features.to(tokens.dtype))
    return rearrange(merged, "b (h w) d -> b d h w", h=dense.shape[2])
