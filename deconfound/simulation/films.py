"""Confounders that lie on the tissue: blood, mucus, and the glare of wet spots."""

from __future__ import annotations

import torch
from torch import Tensor

from deconfound.simulation.exposure import Exposure
from deconfound.simulation.noise import colour, mix, ramp, read


def blood(images: Tensor, seen: Exposure) -> Tensor:
    """Pools and streaks, bright red where thin, dark where deep, with a few glints."""
    scenes, strength = seen.scenes, seen.strength
    across = 0.2 * seen.view.x + scenes.between("pool_x", 0, 1)
    down = 0.4 * seen.view.y + scenes.between("pool_y", 0, 1)
    rough, ripple, pool, streak = read(seen.texture, across, down)
    shore = 1.1 - 1.1 * strength
    deep = ramp(pool + 0.25 * rough, shore, shore + 0.7)
    lines = (-((pool - streak) / 0.35).square()).exp() * ramp(rough, -0.6, 0.8)
    cover = torch.maximum(ramp(pool + 0.25 * rough, shore - 0.1, shore + 0.3), 0.8 * lines)
    glow = (0.35 + 0.65 * seen.light.clamp(0, 1)) * (1 + 0.10 * ripple)
    red = mix(colour((0.50, 0.05, 0.04)), colour((0.27, 0.01, 0.02)), deep[:, None])
    glint = 0.5 * deep * ramp(ripple + rough, 2.4, 3.0) * seen.light.clamp(0, 1)
    covered = mix(images, red * glow[:, None], (cover * (0.58 + 0.36 * strength))[:, None])
    return covered + glint[:, None]


def mucus(images: Tensor, seen: Exposure) -> Tensor:
    """A whitish-yellow film and strands, half transparent."""
    scenes, strength = seen.scenes, seen.strength
    across = 0.24 * seen.view.x + scenes.between("film_x", 0, 1)
    down = 0.4 * seen.view.y + scenes.between("film_y", 0, 1)
    rough, milky, strand, film = read(seen.texture, across, down)
    lines = (-(strand / 0.16).square()).exp() + 0.8 * (-(film / 0.12).square()).exp()
    sheet = ramp(film + 0.3 * milky, 0.9 - 0.9 * strength, 1.8 - 0.6 * strength)
    cover = (lines * ramp(milky, -1.0, 0.4) + 0.75 * sheet).clamp(0, 1)
    glow = (0.3 + 0.75 * seen.light.clamp(0, 1)) * (0.92 + 0.08 * rough)
    milk = colour((0.90, 0.88, 0.66)) * glow[:, None]
    return mix(images, milk, (cover * (0.45 + 0.45 * strength))[:, None])


def reflection(images: Tensor, seen: Exposure) -> Tensor:
    """Many saturated spots of glare with small halos, the more the stronger."""
    scenes, points = seen.scenes, seen.scenes.scatter[:, 4:]
    left, top = scenes.between("shine", 0, 1), scenes.between("spots", 0, 1)
    bend, shake, _, _ = read(seen.texture, 0.5 * seen.view.x + left, 1.1 * seen.view.y + top)
    x, y = seen.view.x + 0.018 * bend, seen.view.y + 0.018 * shake
    nearest = torch.full_like(x, 9.0)
    across, down, size, kind = points.unbind(-1)  # (B, spots) each
    width = (0.014 + 0.05 * size.square()) * (0.7 + 0.6 * seen.strength[:, 0])
    turn, centre_x, centre_y = 3 * kind, 1.8 * across - 0.9, 1.8 * down - 0.9
    # An ellipse is a circle in stretched, turned coordinates: long = a·x + b·y - c, likewise short.
    long = torch.stack([turn.cos(), turn.sin()], dim=-1) / (width * (1 + 2 * kind))[..., None]
    short = torch.stack([-turn.sin(), turn.cos()], dim=-1) / width[..., None]
    centre = torch.stack([centre_x, centre_y], dim=-1)
    for number in range(points.shape[1]):
        shown = number < 10 + 26 * seen.strength
        spot = sum(
            torch.addcmul(x * axis[:, number, 0, None, None], y, axis[:, number, 1, None, None])
            .sub_((axis * centre).sum(dim=-1)[:, number, None, None])
            .square_()
            for axis in (long, short)
        )
        nearest = torch.minimum(nearest, torch.where(shown, spot, 9.0))
    glare = torch.maximum(ramp(nearest, 1.5, 0.7), 0.3 * ramp(nearest, 5.0, 1.0))
    return images + (glare * ramp(seen.light, 0.03, 0.12))[:, None] * (1.05 - images)
