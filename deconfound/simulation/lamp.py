"""Confounders of light: exposure, its evenness, and the lamp's spectrum."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from deconfound.simulation.exposure import Exposure
from deconfound.simulation.noise import box, colour, mix, ramp


def bright(images: Tensor, seen: Exposure) -> Tensor:
    """Over-exposure: everything lifted, the lit wall burnt to white."""
    strength = seen.strength[:, None]
    gain = 1 + 1.6 * strength
    lifted = 1 - (1 - images).clamp(0, 1) ** gain
    burnt = ramp(
        _luminance(lifted),
        0.95 - 0.35 * seen.strength[:, None],
        1.15 - 0.25 * seen.strength[:, None],
    )
    return mix(lifted, 1.0, burnt)


def dark(images: Tensor, seen: Exposure) -> Tensor:
    """Under-exposure: too little light, shadows crushed, noise lifted."""
    gain = 0.75 - 0.55 * seen.strength[:, None]
    power = 1 + 0.35 * seen.strength[:, None]
    return gain * images.clamp(min=1e-6) ** power


def uneven_lighting(images: Tensor, seen: Exposure) -> Tensor:
    """A strong gradient: one side glares, the other is in the shade."""
    side = seen.scenes.between("side", 0, 2 * math.pi)
    along = seen.view.screen_x * side.cos() + seen.view.screen_y * side.sin()
    gain = (seen.strength * (1.7 * along - 0.35)).exp()
    lit = images * gain[:, None]
    burnt = ramp(along, 0.35, 1.1) * seen.strength * 0.55 * _luminance(images)[:, 0]
    return lit + burnt[:, None]


def nbi(images: Tensor, seen: Exposure) -> Tensor:
    """Narrow-band imaging: blue and green light only; vessels dark brown on a green-cyan ground."""
    size, green, blue = images.shape[-1], images[:, 1:2], images[:, 2:3]
    contrast = box(green, round(size / 24))
    sharp = green + 1.1 * (green - contrast)
    banded = torch.cat(
        [0.85 * sharp - 0.02, 1.02 * sharp + 0.10 * blue, 0.55 * blue + 0.62 * sharp], 1
    )
    return mix(images, banded * 1.25, (0.35 + 0.65 * seen.strength)[:, None])


def white_light(images: Tensor, seen: Exposure) -> Tensor:
    """A neutral xenon lamp: red cast removed towards cool white, clearer detail."""
    cool = images * colour((0.82, 1.16, 1.6)) + 0.035
    soft = box(cool, round(images.shape[-1] / 48))
    clear = cool + 0.8 * (cool - soft)
    return mix(images, clear * 1.06, (0.4 + 0.6 * seen.strength)[:, None])


def _luminance(images: Tensor) -> Tensor:
    """Return (b, 1, S, S) by Rec. 601."""
    return (images * colour((0.299, 0.587, 0.114))).sum(dim=1, keepdim=True)
