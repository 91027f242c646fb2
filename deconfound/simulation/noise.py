"""Fractal textures from a picture's own lattice, and the small functions that shape fields."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

OCTAVES = ((4, 8), (8, 16), (16, 32), (32, 64))
CELLS = sum(rows * columns for rows, columns in OCTAVES)
"""Lattice numbers for each texture channel."""

# Channels: 0 and 1 rough (height, colour), 2 smooth (large vessels, outlines), 3 in between.
_AMPLITUDE = torch.tensor(
    [
        [1.0, 0.62, 0.40, 0.26],
        [0.9, 0.70, 0.45, 0.30],
        [1.0, 0.55, 0.06, 0.0],
        [0.5, 0.90, 0.40, 0.05],
    ]
)
_AMPLITUDE = _AMPLITUDE / (0.5 * _AMPLITUDE.square().sum(1, keepdim=True).sqrt())


def textures(lattice: Tensor) -> Tensor:
    """Build four fractal textures for each picture, of mean 0 and deviation about 1.

    Args:
        lattice: (B, 4, CELLS) uniforms.

    Returns:
        (B, 4, 64, 130): periodic along the last axis, whose first and last column repeat.
    """
    batch, channels, _ = lattice.shape
    total, start = torch.zeros(batch, channels, 2, 4), 0
    for octave, (rows, columns) in enumerate(OCTAVES):
        cells = lattice[:, :, start : start + rows * columns].reshape(
            batch, channels, rows, columns
        )
        start += rows * columns
        total = _double(total) + (2 * cells - 1) * _AMPLITUDE[:, octave].view(1, -1, 1, 1)
    return nnf.pad(_double(total), (1, 1, 0, 0), mode="circular")


def _double(image: Tensor) -> Tensor:
    """Enlarge twice, bicubic, periodic along the last axis."""
    padded = nnf.pad(image, (2, 2, 0, 0), mode="circular")
    return nnf.interpolate(padded, scale_factor=2, mode="bicubic")[..., 4:-4]


def read(texture: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """Read textures at any place: periodic in x with period 1, mirrored in y.

    Args:
        texture: (B, C, 64, 130) from :func:`textures`.
        x: (B, S, S), in periods.
        y: (B, S, S), in heights of the texture (half a period is one height).

    Returns:
        C fields (B, S, S).
    """
    columns = texture.shape[-1]
    across = (2 * ((x - x.floor()) * (columns - 2) + 1)) / columns - 1
    grid = torch.stack([across, y * 2 - 1], dim=-1)
    fields = nnf.grid_sample(texture, grid, padding_mode="reflection", align_corners=False)
    return fields.unbind(1)


def ramp(value: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
    """Rise smoothly from 0 at ``low`` to 1 at ``high`` (smoothstep; ``high`` may be the lower)."""
    share = ((value - low) / (high - low)).clamp(0, 1)
    return share * share * (3 - 2 * share)


def mix(one: Tensor, other: Tensor | float, share: Tensor) -> Tensor:
    """Blend linearly: ``one`` where ``share`` is 0, ``other`` where it is 1."""
    return one + (other - one) * share


def slope(height: Tensor) -> tuple[Tensor, Tensor]:
    """Return d/dx and d/dy of a field (B, S, S) by central differences, by half frames."""
    size = height.shape[-1]
    framed = nnf.pad(height[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    across = framed[:, 1:-1, 2:] - framed[:, 1:-1, :-2]
    down = framed[:, 2:, 1:-1] - framed[:, :-2, 1:-1]
    return across * (size / 4), down * (size / 4)


def colour(rgb: tuple[float, float, float]) -> Tensor:
    """Shape an RGB triple to stand against images: (1, 3, 1, 1)."""
    return torch.tensor(rgb).view(1, 3, 1, 1)


def box(images: Tensor, reach: int) -> Tensor:
    """Average over squares of 2 reach + 1 pixels, one axis after the other."""
    reach = max(1, reach)
    wide, high = (1, 2 * reach + 1), (2 * reach + 1, 1)
    images = nnf.avg_pool2d(images, wide, 1, (0, reach), count_include_pad=False)
    return nnf.avg_pool2d(images, high, 1, (reach, 0), count_include_pad=False)
