"""A vision tower's stages as the feature pyramid of SMP decoders."""

from __future__ import annotations

from deconfound.encoders.fusion import LevelFusion
from deconfound.encoders.levels import levels_from_stride
from deconfound.encoders.pyramid import TowerPyramid

__all__ = ["LevelFusion", "TowerPyramid", "levels_from_stride"]
