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
    for number in range(points.shape[1]):
        across, down, size, kind = points[:, number, :, None, None].unbind(1)
        shown = number < 10 + 26 * seen.strength
        away_x, away_y = x - (1.8 * across - 0.9), y - (1.8 * down - 0.9)
        turn = 3 * kind
        long, short = (
            (away_x * turn.cos() + away_y * turn.sin()),
            (away_y * turn.cos() - away_x * turn.sin()),
        )
        width = (0.014 + 0.05 * size.square()) * (0.7 + 0.6 * seen.strength)
        spot = (long / (1 + 2 * kind)).square() + short.square()
        nearest = torch.minimum(nearest, torch.where(shown, spot / width.square(), 9.0))
    glare = torch.maximum(ramp(nearest, 1.5, 0.7), 0.3 * ramp(nearest, 5.0, 1.0))
    return images + (glare * ramp(seen.light, 0.03, 0.12))[:, None] * (1.05 - images)
