"""What a confounder may look at while it changes pictures."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from deconfound.simulation.camera import View
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
