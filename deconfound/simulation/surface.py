"""The surface in front of the lens, and the light that comes back from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from deconfound.simulation.camera import View
from deconfound.simulation.noise import colour, slope
from deconfound.simulation.scenes import Scenes


@dataclass(frozen=True)
class Surface:
    """What a pixel sees, before light.

    Attributes:
        albedo: (B, 3, S, S), linear reflectance.
        light: (B, S, S), how much of the scope's light arrives: falls with depth, and behind folds.
        height: (B, S, S), towards the camera, in half frames.
        gloss: (B, S, S), share of mirror-like reflection of the wet film.
    """

    albedo: Tensor
    light: Tensor
    height: Tensor
    gloss: Tensor


def illuminate(surface: Surface, view: View, scenes: Scenes) -> Tensor:
    """Light a surface with the lamp beside the lens and return the linear picture (B, 3, S, S).

    Lambert's law on normals from finite differences, a Blinn highlight for the wet film, and the
    shoulder of a camera's tone curve, which lets bright colours fade to white.
    """
    across, down = slope(surface.height)
    across, down = across / view.zoom, down / view.zoom
    towards_x, towards_y = 0.12 - 0.5 * view.screen_x, -0.18 - 0.5 * view.screen_y
    upright = (1 + across.square() + down.square()).rsqrt()
    distance = (1 + towards_x.square() + towards_y.square()).rsqrt()
    lambert = ((1 - across * towards_x - down * towards_y) * upright * distance).clamp(min=0)
    lambert = 0.18 + 0.86 * lambert  # walls all around send light back
    beam = 1.05 - 0.20 * (view.screen_x.square() + view.screen_y.square())
    half_x, half_y = towards_x * distance, towards_y * distance
    half_z = 1 + distance
    norm = (half_x.square() + half_y.square() + half_z.square()).rsqrt()
    facing = ((half_z - across * half_x - down * half_y) * norm * upright).clamp(min=0)
    shine = facing.square()
    for _ in range(5):  # facing to the 64th power
        shine = shine.square()
    warmth = scenes.between("warmth", -0.05, 0.05)[:, None]
    lamp = colour(scenes.site.palette.lamp) * torch.cat([1 + warmth, 1 + 0 * warmth, 1 - warmth], 1)
    exposure = scenes.between("exposure", 0.9, 1.2)
    diffuse = surface.albedo * (surface.light * lambert * exposure * beam)[:, None]
    mirror = (0.75 * surface.gloss * shine * surface.light.clamp(max=1))[:, None]
    return tone((diffuse * 1.18 + mirror) * lamp)


def tone(linear: Tensor) -> Tensor:
    """Compress highlights: near the identity in the dark, towards 1 without a corner."""
    return 1 - (-(linear * 1.25 + 0.5 * linear.square())).exp()
