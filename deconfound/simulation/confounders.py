"""Ten confounders that leave the geometry alone: each maps pictures to pictures by a strength.

Strength 0 is the identity by construction, since only pictures with a positive strength are touched.
Near and far view, which move the camera, are in :mod:`deconfound.simulation.camera`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as nnf

from deconfound.simulation.camera import View
from deconfound.simulation.names import CONFOUNDERS
from deconfound.simulation.noise import colour, mix, ramp, read
from deconfound.simulation.scenes import Scenes


@dataclass(frozen=True)
class Exposure:
    """What a confounder may look at, for the b pictures it changes.

    Attributes:
        scenes: b scenes.
        view: their coordinates.
        texture: (b, 4, 64, 130).
        light: (b, S, S), light that reaches the surface; what lies on the wall is lit by it too.
        strength: (b, 1, 1), above 0.
    """

    scenes: Scenes
    view: View
    texture: Tensor
    light: Tensor
    strength: Tensor


def confound(
    images: Tensor, scenes: Scenes, view: View, texture: Tensor, light: Tensor, strengths: Tensor
) -> Tensor:
    """Apply every photometric confounder, nearest to the tissue first, the camera's last.

    Args:
        images: (B, 3, S, S) in [0, 1].
        scenes: B scenes.
        view: their coordinates.
        texture: (B, 4, 64, 130).
        light: (B, S, S).
        strengths: (B, 12).
    """
    images = images.clone()
    for name, change in OPERATIONS.items():
        strength = strengths[:, CONFOUNDERS.index(name)]
        rows = (strength > 0).nonzero()[:, 0]
        if len(rows):
            moved = {key: getattr(view, key)[rows] for key in ("x", "y", "zoom")}
            exposure = Exposure(
                scenes.pick(rows),
                replace(view, **moved),
                texture[rows],
                light[rows],
                strength[rows, None, None],
            )
            images[rows] = change(images[rows], exposure).clamp(0, 1)
    return images


def _luminance(images: Tensor) -> Tensor:
    """Return (b, 1, S, S) by Rec. 601."""
    return (images * colour((0.299, 0.587, 0.114))).sum(dim=1, keepdim=True)


def _blood(images: Tensor, seen: Exposure) -> Tensor:
    """Dark red pools and streaks with soft edges."""
    x, y, scenes = seen.view.x, seen.view.y, seen.scenes
    rough, _, pool, streak = read(
        seen.texture,
        0.2 * x + scenes.between("pool_x", 0, 1),
        0.4 * y + scenes.between("pool_y", 0, 1),
    )
    lines = (-((pool - streak) / 0.35).square()).exp() * ramp(rough, -0.6, 0.8)
    cover = torch.maximum(
        ramp(pool + 0.25 * rough, 1.1 - 1.1 * seen.strength, 1.5 - 1.1 * seen.strength), 0.8 * lines
    )
    cover = cover * (0.55 + 0.4 * seen.strength)
    glow = (0.35 + 0.65 * seen.light.clamp(0, 1))[:, None]
    return mix(images, colour((0.42, 0.02, 0.03)) * glow, cover[:, None])


def _mucus(images: Tensor, seen: Exposure) -> Tensor:
    """A whitish-yellow film and strands, half transparent."""
    x, y, scenes = seen.view.x, seen.view.y, seen.scenes
    rough, milky, strand, film = read(
        seen.texture,
        0.24 * x + scenes.between("film_x", 0, 1),
        0.4 * y + scenes.between("film_y", 0, 1),
    )
    lines = (-(strand / 0.16).square()).exp() + 0.8 * (-(film / 0.12).square()).exp()
    sheet = ramp(film + 0.3 * milky, 0.9 - 0.9 * seen.strength, 1.8 - 0.6 * seen.strength)
    cover = (lines * ramp(milky, -1.0, 0.4) + 0.75 * sheet).clamp(0, 1) * (
        0.45 + 0.45 * seen.strength
    )
    glow = (0.3 + 0.75 * seen.light.clamp(0, 1)) * (0.92 + 0.08 * rough)
    return mix(images, colour((0.90, 0.88, 0.66)) * glow[:, None], cover[:, None])


def _reflection(images: Tensor, seen: Exposure) -> Tensor:
    """Many saturated spots of glare with small halos, the more the stronger."""
    scenes, points = seen.scenes, seen.scenes.scatter[:, 4:]
    left, top = scenes.between("shine", 0, 1), scenes.between("spots", 0, 1)
    bend, shake, _, _ = read(seen.texture, 0.5 * seen.view.x + left, 1.1 * seen.view.y + top)
    x, y = seen.view.x + 0.018 * bend, seen.view.y + 0.018 * shake
    nearest = torch.full_like(x, 9.0)
    for number in range(points.shape[1]):
        across, down, size, kind = points[:, number, :, None, None].unbind(1)
        shown = number < 10 + 26 * seen.strength
        away_x, away_y = x - (1.8 * across - 0.9), y - (1.8 * down - 0.9)
        turn = 3 * kind
        long, short = (away_x * turn.cos() + away_y * turn.sin()), (away_y * turn.cos() - away_x * turn.sin())
        width = (0.014 + 0.05 * size.square()) * (0.7 + 0.6 * seen.strength)
        spot = (long / (1 + 2 * kind)).square() + short.square()
        nearest = torch.minimum(nearest, torch.where(shown, spot / width.square(), 9.0))
    glare = torch.maximum(ramp(nearest, 1.5, 0.7), 0.3 * ramp(nearest, 5.0, 1.0))
    return images + (glare * ramp(seen.light, 0.03, 0.12))[:, None] * (1.05 - images)


def _nbi(images: Tensor, seen: Exposure) -> Tensor:
    """Narrow-band imaging: blue and green light only; vessels dark brown on a green-cyan ground."""
    size, green, blue = images.shape[-1], images[:, 1:2], images[:, 2:3]
    contrast = _box(green, round(size / 24))
    sharp = green + 1.1 * (green - contrast)
    banded = torch.cat(
        [0.85 * sharp - 0.02, 1.02 * sharp + 0.10 * blue, 0.55 * blue + 0.62 * sharp], 1
    )
    return mix(images, banded * 1.25, (0.35 + 0.65 * seen.strength)[:, None])


def _white_light(images: Tensor, seen: Exposure) -> Tensor:
    """A neutral xenon lamp: red cast removed towards cool white, clearer detail."""
    cool = images * colour((0.86, 1.16, 1.42)) + 0.035
    soft = _box(cool, round(images.shape[-1] / 48))
    clear = cool + 0.8 * (cool - soft)
    return mix(images, clear * 1.06, (0.3 + 0.7 * seen.strength)[:, None])


def _bright(images: Tensor, seen: Exposure) -> Tensor:
    """Over-exposure: everything lifted, the lit wall burnt to white."""
    gain = (1 + 1.9 * seen.strength)[:, None]
    lifted = 1 - (1 - images).clamp(0, 1) ** gain
    burnt = ramp(
        _luminance(lifted),
        0.95 - 0.35 * seen.strength[:, None],
        1.15 - 0.25 * seen.strength[:, None],
    )
    return mix(lifted, 1.0, burnt)


def _dark(images: Tensor, seen: Exposure) -> Tensor:
    """Under-exposure: too little light, shadows crushed, noise lifted."""
    gain = 0.75 - 0.55 * seen.strength[:, None]
    power = 1 + 0.35 * seen.strength[:, None]
    return gain * images.clamp(min=1e-6) ** power


def _uneven_lighting(images: Tensor, seen: Exposure) -> Tensor:
    """A strong gradient: one side glares, the other is in the shade."""
    side = seen.scenes.between("side", 0, 2 * math.pi)
    along = seen.view.screen_x * side.cos() + seen.view.screen_y * side.sin()
    gain = (seen.strength * (1.7 * along - 0.35)).exp()
    lit = images * gain[:, None]
    burnt = ramp(along, 0.35, 1.1) * seen.strength * 0.55 * _luminance(images)[:, 0]
    return lit + burnt[:, None]


def _blur(images: Tensor, seen: Exposure) -> Tensor:
    """Out of focus, or moved during the exposure."""
    moved = seen.scenes.between("blur_kind", 0, 1)[:, None] < 0.4
    return torch.where(moved, _motion(images, seen), _defocus(images, seen.strength))


def _defocus(images: Tensor, strength: Tensor) -> Tensor:
    """Blend ever wider blurs, so that any strength has its own width, at any picture size."""
    unit = images.shape[-1] / 96
    steps, result, blurred = 0.7 + 2.3 * strength[:, None], images, images
    for step in range(3):
        for _ in range(2):
            blurred = _box(blurred, round(unit * (1.2 + 1.2 * step)))
        result = mix(result, blurred, (steps - step).clamp(0, 1))
    return result


def _box(images: Tensor, reach: int) -> Tensor:
    """Average over squares of 2 reach + 1 pixels, one axis after the other."""
    reach = max(1, reach)
    wide, high = (1, 2 * reach + 1), (2 * reach + 1, 1)
    images = nnf.avg_pool2d(images, wide, 1, (0, reach), count_include_pad=False)
    return nnf.avg_pool2d(images, high, 1, (reach, 0), count_include_pad=False)


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


def _artifacts(images: Tensor, seen: Exposure) -> Tensor:
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


OPERATIONS: dict[str, Callable[[Tensor, Exposure], Tensor]] = {
    "blood": _blood,
    "mucus": _mucus,
    "reflection": _reflection,
    "nbi": _nbi,
    "white_light": _white_light,
    "uneven_lighting": _uneven_lighting,
    "bright": _bright,
    "dark": _dark,
    "blur": _blur,
    "artifacts": _artifacts,
}
"""Photometric confounders in the order in which they act."""
