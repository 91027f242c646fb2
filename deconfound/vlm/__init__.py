"""Vision-language models: one adapter over open_clip, and the bundled small model.

`load` finds a model by name or path, `VisionLanguageModel` encodes text, and its `tower` reads
images into the joint image-text space.
"""

from __future__ import annotations

from deconfound.vlm.dense import DENSE_VARIANTS
from deconfound.vlm.loading import load
from deconfound.vlm.model import VisionLanguageModel
from deconfound.vlm.resnet import ResNetTower
from deconfound.vlm.timm_trunk import TimmTower
from deconfound.vlm.tower import VisionTower
from deconfound.vlm.vit import ViTTower

__all__ = [
    "DENSE_VARIANTS",
    "ResNetTower",
    "TimmTower",
    "ViTTower",
    "VisionLanguageModel",
    "VisionTower",
    "load",
]
