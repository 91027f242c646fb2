"""Confounders of the picture path: blur, and what the video processor leaves behind."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as nnf

from deconfound.simulation.exposure import Exposure
from deconfound.simulation.noise import box, mix


def blur(images: Tensor, seen: Exposure) -> Tensor:
    """Out of focus, or moved during the exposure."""
    moved = seen.scenes.between("blur_kind", 0, 1)[:, None] < 0.4
    return torch.where(moved, _motion(images, seen), _defocus(images, seen.strength))


def _defocus(images: Tensor, strength: Tensor) -> Tensor:
    """Blend ever wider blurs, so that any strength has its own width, at any picture size."""
    unit = images.shape[-1] / 96
    steps, result, blurred = 0.7 + 2.3 * strength[:, None], images, images
    for step in range(3):
        for _ in range(2):
            blurred = box(blurred, round(unit * (1.2 + 1.2 * step)))
        result = mix(result, blurred, (steps - step).clamp(0, 1))
    return result


def _motion(images: Tensor, seen: Exposure) -> Tensor:
    """Average the picture along a short line."""
    angle = seen.scenes.between("blur_angle", 0, math.pi)
    reach = 0.05 + 0.14 * seen.strength
    view, total = seen.view, torch.zeros_like(images)
    for step in torch.linspace(-1, 1, 9).tolist():
        x = view.screen_x + step * reach * angle.cos()
        y = view.screen_y + step * reach * angle.sin()
        grid = torch.stack([x.expand_as(view.x), y.expand_as(view.x)], dim=-1)
        total += nnf.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return total / 9


def artifacts(images: Tensor, seen: Exposure) -> Tensor:
    """Compression blocks, interlaced lines, colour fringes, and the processor's overlay."""
    strength = seen.strength[:, None]
    size = images.shape[-1]
    fringed = _fringes(images, max(1, round(size / 96 * 1.5)))
    images = mix(images, fringed, strength.clamp(max=1) * 0.9)
    images = _interlace(images, strength, max(1, round(size / 96)))
    images = _blocks(images, strength, max(4, round(size / 96 * 6)))
    return _overlay(images, seen)


def _fringes(images: Tensor, shift: int) -> Tensor:
    """Move red and blue apart, as sequential-colour video does."""
    red, green, blue = images.unbind(1)
    return torch.stack([red.roll(shift, -1), green, blue.roll(-shift, -1)], dim=1)


def _interlace(images: Tensor, strength: Tensor, lines: int) -> Tensor:
    """Shift every second line and darken it, as fields recorded at two moments do."""
    rows = torch.arange(images.shape[-2])
    odd = ((rows // lines) % 2 == 1)[:, None]
    late = images.roll(2 * lines, -1) * (1 - 0.22 * strength)
    return torch.where(odd, mix(images, late, 0.35 + 0.65 * strength), images)


def _blocks(images: Tensor, strength: Tensor, block: int) -> Tensor:
    """Keep of each block its quantised mean and a share of its detail."""
    size = images.shape[-1]
    mean = nnf.avg_pool2d(images, block, block, ceil_mode=True, count_include_pad=False)
    mean = nnf.interpolate((mean * 14).round() / 14, scale_factor=block)[..., :size, :size]
    return mix(images, mean, 0.35 + 0.35 * strength)


def _overlay(images: Tensor, seen: Exposure) -> Tensor:
    """Draw the video processor's box of text-like strokes in a corner."""
    x, y = seen.view.screen_x, seen.view.screen_y
    corner = seen.scenes.between("overlay", 0, 1.999).floor() * 2 - 1
    box = ((x * corner > 0.38) & (y < -0.62)).float()
    line = ((y + 0.62) * -12).floor()
    stroke = ((x * 31 + line * 2.3).sin() > -0.1) & (((y + 0.62) * -12) - line > 0.4)
    ink = (stroke & (x * corner > 0.44) & (y < -0.66)).float()[:, None]
    shown = (seen.strength * 1.4).clamp(max=1)[:, None]
    images = mix(images, 0.03, box[:, None] * shown * 0.9)
    return mix(images, 0.88, ink * shown)
