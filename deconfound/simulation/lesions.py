"""Five lesions, each with its own outline, relief, colour and gloss, and the exact mask of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from deconfound.simulation.camera import View
from deconfound.simulation.noise import colour, mix, ramp, read
from deconfound.simulation.scenes import Scenes
from deconfound.simulation.surface import Surface


@dataclass(frozen=True)
class Patch:
    """The neighbourhood of a lesion, in its own coordinates.

    Attributes:
        scenes: B scenes of one class.
        under: the healthy surface there.
        x: (B, S, S), in scene units from the lesion's centre, turned at random.
        y: (B, S, S).
        noise: four textures (B, S, S) fixed to the lesion.
        fine: the same, two and a half times finer.
        level: (B, 1, 1), light at the height of the lesion's centre.
        shaded: (B, S, S), 0 on the side that faces the lamp, 1 on the other.
    """

    scenes: Scenes
    under: Surface
    x: Tensor
    y: Tensor
    noise: tuple[Tensor, ...]
    fine: tuple[Tensor, ...]
    level: Tensor
    shaded: Tensor


@dataclass(frozen=True)
class Growth:
    """A lesion drawn on a patch.

    Attributes:
        field: (B, S, S); the mask is where it is positive. 1 at the centre, in units of the size.
        surface: the surface with the lesion everywhere; blended in by the field.
        soft: width of the blend inside the mask, in units of the field.
        shadow: how dark the contact shadow around it is, 0 to 1.
    """

    field: Tensor
    surface: Surface
    soft: float
    shadow: float


def grow(scenes: Scenes, view: View, texture: Tensor, wall: Surface) -> tuple[Surface, Tensor]:
    """Grow every scene's lesion on its wall.

    Returns:
        The surface with lesions, and the masks (B, S, S) int64: class + 1 on the lesion, else 0.
    """
    planes = [wall.albedo.clone(), wall.light.clone(), wall.height.clone(), wall.gloss.clone()]
    mask = torch.zeros(wall.light.shape, dtype=torch.int64)
    for index, draw in enumerate(LESIONS):
        rows = (scenes.class_index == index).nonzero()[:, 0]
        if not len(rows):
            continue
        under = Surface(*(plane[rows] for plane in planes))
        patch = _patch(scenes.pick(rows), view, texture[rows], under, rows)
        growth = draw(patch)
        for plane, grown in zip(planes, _blend(patch, growth), strict=True):
            plane[rows] = grown
        mask[rows] = torch.where((growth.field > 0) & (view.stop > 0.5), index + 1, 0)
    return Surface(*planes), mask


def _patch(scenes: Scenes, view: View, texture: Tensor, under: Surface, rows: Tensor) -> Patch:
    """Move into the lesion's own coordinates."""
    turn = scenes.between("turn", 0, 2 * math.pi)
    beyond = view.lesion_x[rows] * (view.x[rows] - view.lesion_x[rows])
    beyond = beyond + view.lesion_y[rows] * (view.y[rows] - view.lesion_y[rows])
    x, y = view.x[rows] - view.lesion_x[rows], view.y[rows] - view.lesion_y[rows]
    x, y = x * turn.cos() + y * turn.sin(), y * turn.cos() - x * turn.sin()
    left, top = scenes.between("noise_x", 0, 1), scenes.between("noise_y", 0, 1)
    return Patch(
        scenes,
        under,
        x,
        y,
        read(texture, left + 0.25 * x, top + 0.5 * y),
        read(texture, left + 0.62 * x, top + 1.25 * y),
        0.95 / view.zoom[rows] ** 0.35,
        ramp(beyond, -0.12, 0.12) * 0.75 + 0.25,
    )


def _blend(patch: Patch, growth: Growth) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lay a lesion over its wall: soft rim within the mask, contact shadow outside."""
    under, over = patch.under, growth.surface
    cover = ramp(growth.field, 0.0, growth.soft)
    outside = ramp(growth.field, -0.5, 0.1).square() * (1 - cover)
    light = under.light * (1 - growth.shadow * outside * patch.shaded)
    return (
        mix(under.albedo, over.albedo, cover[:, None]),
        mix(light, over.light, cover),
        mix(under.height, over.height, cover),
        mix(under.gloss, over.gloss, cover),
    )


def _round(x: Tensor, y: Tensor, size: Tensor, aspect: Tensor) -> Tensor:
    """Return the elliptical radius, 1 on the outline."""
    return ((x / (size * aspect)).square() + (y * aspect / size).square() + 1e-6).sqrt()


def _dome(field: Tensor) -> Tensor:
    """Height of a rounded cap over a field that is 1 at the centre and 0 on the outline."""
    inside = field.clamp(0, 1)
    return inside * (2 - inside)


def _mean_colour(albedo: Tensor) -> Tensor:
    """Return the wall's own colour, (B, 3, 1, 1), from a coarse grid of pixels."""
    return albedo[:, :, ::8, ::8].mean(dim=(2, 3), keepdim=True)


def _flesh(patch: Patch) -> Tensor:
    """Return the colour of tissue grown from this wall: its mean, with some of its own pattern."""
    return mix(_mean_colour(patch.under.albedo), patch.under.albedo, torch.tensor(0.4))


def _polyp(patch: Patch) -> Growth:
    """A smooth red dome with a highlight, sometimes on a stalk."""
    scenes = patch.scenes
    size, aspect = scenes.between("size", 0.24, 0.42), scenes.between("aspect", 0.82, 1.2)
    _, _, smooth, _ = patch.noise
    head = 1 - _round(patch.x, patch.y, size, aspect) * (1 + 0.05 * smooth)
    stalked = (scenes.between("kind", 0, 1) < 0.35).float()
    reach = patch.x / size
    neck = 0.36 + 0.5 * (reach - 1.15).square() + 0.04 * smooth
    stalk = (1 - (patch.y / size).abs() / neck) * ramp(reach, 1.9, 1.6)
    stalk = torch.where(reach > 0, stalk, -1.0)
    field = torch.maximum(head, mix(torch.full_like(head, -1.0), stalk, stalked))
    height = size * (0.55 * _dome(head) + 0.012 * patch.fine[0] * ramp(head, 0.0, 0.3))
    base = ramp(reach, 0.8, 1.7) * (head < 0.05)
    height = torch.maximum(height, size * 0.25 * _dome(stalk) * stalked * (1 - base))
    red = scenes.between("redness", 0.52, 0.80)[:, None]
    tint = torch.cat([torch.full_like(red, 1.02), red, red * 0.95], dim=1)
    albedo = _flesh(patch) * tint * (1 + 0.05 * patch.fine[3])[:, None]
    albedo = mix(albedo, patch.under.albedo, 0.8 * base[:, None])
    light = patch.level * (0.62 + 0.42 * ramp(torch.maximum(head, stalk - 0.5), -0.1, 0.8))
    light = mix(light, patch.under.light, 0.6 * base)
    gloss = torch.full_like(light, 0.95)
    return Growth(field, Surface(albedo, light, height, gloss), 0.14, 0.6)


def _tumor(patch: Patch) -> Growth:
    """A large lobulated mass, rough, dark red with pale necrotic patches."""
    scenes = patch.scenes
    size, aspect = scenes.between("size", 0.33, 0.47), scenes.between("aspect", 0.75, 1.3)
    rough, patchy, smooth, middle = patch.noise
    fine, grain, _, lobes = patch.fine
    ragged = (1 + 0.20 * smooth + 0.07 * lobes).clamp(min=0.62)
    field = 1 - _round(patch.x, patch.y, size, aspect) * ragged
    knobs = 1 - (lobes.abs() * 0.9).clamp(max=1)
    height = size * (0.42 * _dome(field) + 0.075 * (1 - knobs) + 0.035 * fine)
    dark = scenes.between("redness", 0.45, 0.75)[:, None]
    flesh = _mean_colour(patch.under.albedo) * dark * colour((1.0, 0.62, 0.62))
    necrotic = colour((0.80, 0.68, 0.46)) * scenes.between("tint", 0.75, 1.0)[:, None]
    share = ramp(patchy + 0.4 * grain, 0.1, 0.9) * 0.9
    albedo = mix(flesh, necrotic, share[:, None])
    clot = ramp(middle + 0.5 * grain, 0.9, 1.5) * (1 - share)
    albedo = mix(albedo, colour((0.13, 0.03, 0.03)), 0.8 * clot[:, None])
    light = patch.level * (0.66 + 0.3 * ramp(field, -0.1, 0.6)) * (1 - 0.38 * ramp(knobs, 0.6, 1.0))
    gloss = 0.35 * ramp(rough, 0.3, 1.5)
    return Growth(field, Surface(albedo, light, height, gloss), 0.12, 0.6)


def _inflammation(patch: Patch) -> Growth:
    """Flat, diffuse, mottled erythema with an irregular border and punctate spots."""
    scenes, under = patch.scenes, patch.under
    size, aspect = scenes.between("size", 0.35, 0.50), scenes.between("aspect", 0.7, 1.4)
    _, patchy, smooth, middle = patch.noise
    _, grain, _, spots = patch.fine
    ragged = (1 + 0.24 * smooth + 0.10 * middle).clamp(min=0.6)
    field = 1 - _round(patch.x, patch.y, size, aspect) * ragged
    red = scenes.between("redness", 0.30, 0.46)[:, None]
    share = (0.75 + 0.22 * patchy).clamp(0.3, 1)[:, None]
    tint = torch.cat([torch.full_like(red, 0.98), red, red * 0.95], dim=1)
    albedo = mix(under.albedo, under.albedo * tint, share)
    dots = ramp(spots + 0.35 * grain, 1.05, 1.5)
    albedo = mix(albedo, colour((0.34, 0.02, 0.03)), 0.85 * dots[:, None])
    height = under.height + 0.004 * grain
    light = torch.maximum(under.light, 0.22 * patch.level)
    return Growth(field, Surface(albedo, light, height, under.gloss * 0.7), 0.30, 0.0)


def _nodule(patch: Patch) -> Growth:
    """One to four firm, pale bumps close together."""
    scenes = patch.scenes
    count = 1 + (scenes.between("kind", 0, 3.999)).floor()
    points = scenes.scatter[:, :4]
    field = torch.full_like(patch.x, -4.0)
    for number in range(4):
        ring, own = points[:, number, 2], points[:, number, 3]
        turn = (number * 1.9 + 0.8 * points[:, number, 0])[:, None, None]
        away = (0.17 + 0.05 * ring)[:, None, None] * (count > 1)
        size = (0.15 + 0.045 * own)[:, None, None] * torch.where(count > 1, 1.0, 1.35)
        x, y = patch.x - away * turn.cos(), patch.y - away * turn.sin()
        bump = 1 - _round(x, y, size, torch.ones_like(size)) * (
            1 + 0.08 * patch.noise[2] + 0.03 * patch.noise[3]
        )
        field = torch.where(number < count, torch.maximum(field, bump), field)
    cream = colour((0.93, 0.84, 0.74)) * scenes.between("tint", 0.9, 1.04)[:, None]
    pale = scenes.between("redness", 0.50, 0.72)[:, None]
    albedo = mix(_flesh(patch), cream, pale * ramp(field, -0.1, 0.45)[:, None])
    height = 0.08 * _dome(field) + 0.003 * patch.fine[0]
    light = patch.level * (0.74 + 0.32 * ramp(field, 0.0, 0.8))
    gloss = torch.full_like(light, 0.35)
    return Growth(field, Surface(albedo, light, height, gloss), 0.35, 0.45)


def _cyst(patch: Patch) -> Growth:
    """A tense translucent dome, yellowish or bluish, with a bright rim, fine vessels, one glint."""
    scenes = patch.scenes
    size, aspect = scenes.between("size", 0.26, 0.42), scenes.between("aspect", 0.86, 1.16)
    field = 1 - _round(patch.x, patch.y, size, aspect) * (1 + 0.03 * patch.noise[2])
    yellow = (scenes.between("tint", 0, 1) < 0.6).float()[:, None]
    fluid = mix(colour((0.46, 0.58, 0.74)), colour((0.90, 0.76, 0.36)), yellow)
    albedo = mix(_flesh(patch), fluid, torch.tensor(0.60))
    lines = (-(patch.fine[2] / 0.09).square()).exp() * ramp(patch.noise[3], -0.8, 0.6)
    albedo = mix(albedo, colour((0.62, 0.16, 0.14)), 0.6 * lines[:, None])
    rim = (-((field - 0.09) / 0.07).square()).exp()
    albedo = albedo + 0.22 * rim[:, None]
    glow = ramp(patch.x / size, -0.8, 0.9)  # light that entered on one side leaves on the other
    light = patch.level * (0.66 + 0.28 * glow + 0.22 * rim)
    height = size * 0.40 * _dome(field)
    gloss = torch.full_like(light, 1.5)
    return Growth(field, Surface(albedo, light, height, gloss), 0.09, 0.5)


LESIONS: tuple[Callable[[Patch], Growth], ...] = (_polyp, _tumor, _inflammation, _nodule, _cyst)
"""How each of ``CLASSES`` is drawn, in that order."""
