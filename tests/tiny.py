"""Vision-language models small enough for a test: random weights, real open_clip architectures."""

from __future__ import annotations

from functools import cache

import open_clip
import torch

from deconfound.vlm import VisionLanguageModel

TEXT = {"context_length": 32, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VISION = {
    "vit": {"image_size": 32, "layers": 4, "width": 32, "patch_size": 8, "head_width": 16},
    "vit14": {"image_size": 28, "layers": 4, "width": 32, "patch_size": 14, "head_width": 16},
    "resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
}


@cache
def tiny_vlm(kind: str = "vit") -> VisionLanguageModel:
    """Build a model with a 32-wide joint space; always the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = {"embed_dim": 32, "vision_cfg": VISION[kind], "text_cfg": TEXT}
        clip = open_clip.CLIP(**config)
        return VisionLanguageModel.from_open_clip(clip, config)
