"""Ten confounders that leave the geometry alone: each maps pictures to pictures by a strength.

Strength 0 is the identity by construction: only pictures with a positive strength are touched.
Near and far view, which move the camera, are in :mod:`deconfound.simulation.camera`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from deconfound.simulation import films, lamp, optics
from deconfound.simulation.camera import View
from deconfound.simulation.exposure import Exposure
from deconfound.simulation.names import CONFOUNDERS
from deconfound.simulation.scenes import Scenes


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


OPERATIONS: dict[str, Callable[[Tensor, Exposure], Tensor]] = {
    "blood": films.blood,
    "mucus": films.mucus,
    "reflection": films.reflection,
    "nbi": lamp.nbi,
    "white_light": lamp.white_light,
    "uneven_lighting": lamp.uneven_lighting,
    "bright": lamp.bright,
    "dark": lamp.dark,
    "blur": optics.blur,
    "artifacts": optics.artifacts,
}
"""Photometric confounders in the order in which they act."""
