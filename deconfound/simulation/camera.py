"""Where each pixel looks: screen and scene coordinates, distance, and the scope's field stop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from deconfound.simulation.names import CONFOUNDERS
from deconfound.simulation.scenes import Scenes

NEAR = CONFOUNDERS.index("near_view")
FAR = CONFOUNDERS.index("far_view")


@dataclass(frozen=True)
class View:
    """Coordinates in half frames, x to the right, y down.

    Attributes:
        screen_x: (1, S, S), -1 to 1.
        screen_y: (1, S, S), -1 to 1.
        x: (B, S, S), in the scene: what the screen shows once near or far view moved the camera.
        y: (B, S, S).
        zoom: (B, 1, 1), scene units in a screen unit: below 1 is near, above 1 far.
        lumen_x: (B, 1, 1), centre of the dark lumen in the scene.
        lumen_y: (B, 1, 1).
        lesion_x: (B, 1, 1), centre of the lesion in the scene.
        lesion_y: (B, 1, 1).
        stop: (1, S, S), 1 inside the field stop, 0 in the black corners, smooth between.
    """

    screen_x: Tensor
    screen_y: Tensor
    x: Tensor
    y: Tensor
    zoom: Tensor
    lumen_x: Tensor
    lumen_y: Tensor
    lesion_x: Tensor
    lesion_y: Tensor
    stop: Tensor


def look(scenes: Scenes, strengths: Tensor, size: int) -> View:
    """Point the camera at the scenes.

    Near view enlarges about the lesion, far view shrinks towards the lumen; both partly cancel.

    Args:
        scenes: B scenes.
        strengths: (B, 12).
        size: S, pixels.
    """
    line = (torch.arange(size) + 0.5) * (2 / size) - 1
    screen_y, screen_x = (plane[None] for plane in torch.meshgrid(line, line, indexing="ij"))
    lumen_x, lumen_y = _lumen(scenes)
    lesion_x, lesion_y = _lesion(scenes, lumen_x, lumen_y)
    near, far = strengths[:, NEAR, None, None], strengths[:, FAR, None, None]
    zoom = (0.8 * far**0.7 - 0.75 * near**0.7).exp()
    share = near / (near + far).clamp(min=1e-6)
    centre_x = lumen_x + (lesion_x - lumen_x) * share
    centre_y = lumen_y + (lesion_y - lumen_y) * share
    return View(
        screen_x,
        screen_y,
        centre_x + (screen_x - centre_x) * zoom,
        centre_y + (screen_y - centre_y) * zoom,
        zoom,
        lumen_x,
        lumen_y,
        lesion_x,
        lesion_y,
        _stop(scenes.site.stop, screen_x, screen_y),
    )


def _lumen(scenes: Scenes) -> tuple[Tensor, Tensor]:
    """Place the lumen off the centre, the more in a tube that turns."""
    angle = scenes.between("lumen_angle", 0, 2 * math.pi)
    shift = scenes.between("lumen_shift", 0.05, 1).sqrt() * scenes.site.anatomy.off_centre
    return shift * angle.cos(), shift * angle.sin()


def _lesion(scenes: Scenes, lumen_x: Tensor, lumen_y: Tensor) -> tuple[Tensor, Tensor]:
    """Place the lesion on the wall, within sight."""
    angle = scenes.between("lesion_angle", 0, 2 * math.pi)
    reach = scenes.between("lesion_reach", 0.42, 0.68)
    x, y = lumen_x + reach * angle.cos(), lumen_y + reach * angle.sin()
    shrink = (0.56 / (x.square() + y.square()).sqrt().clamp(min=1e-6)).clamp(max=1)
    return x * shrink, y * shrink


def _stop(kind: str, x: Tensor, y: Tensor) -> Tensor:
    """Cut the corners as the scope's optics do; one pixel of smooth edge."""
    across, down = x.abs(), y.abs()
    beyond = {
        "circle": lambda: (x.square() + y.square()).sqrt() - 0.97,
        "octagon": lambda: torch.maximum(
            torch.maximum(across - 0.97, down - 0.93), (across + down) * 0.7071 - 0.98
        ),
        "rounded": lambda: (across**6 + down**6) ** (1 / 6) - 0.96,
        "narrow": lambda: (x.square() + y.square()).sqrt() - 0.78,
        "full": lambda: torch.maximum(across, down) - 1.1,
    }[kind]()
    return (0.5 - beyond * x.shape[-1] / 3).clamp(0, 1)
