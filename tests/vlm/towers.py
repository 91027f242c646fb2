"""Random open_clip models, one of each kind, small enough for a test."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from torch import nn

from deconfound.vlm import VisionLanguageModel
from deconfound.vlm.architecture import build_clip

DIM = 12
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VIT = {"layers": 3, "width": 32, "head_width": 8, "patch_size": 8, "image_size": 32}
RESNET = {"layers": [1, 2, 1, 1], "width": 8, "image_size": 64}
COCA = {"attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 3}
CUSTOM = {
    "qk_norm": True,
    "scale_heads": True,
    "scale_attn_inner": True,
    "scale_attn": True,
    "scale_fc": True,
}

VITS: dict[str, dict[str, Any]] = {
    "class token": VIT,
    "average": {**VIT, "pool_type": "avg"},
    "average, norm after": {**VIT, "pool_type": "avg", "final_ln_after_pool": True},
    "attentional": {**VIT, **COCA},
    "attentional, same width": {**VIT, **COCA, "width": DIM, "head_width": 4},
    "layer scale, no pre-norm": {**VIT, "ls_init_value": 0.3, "no_ln_pre": True},
    "custom blocks": {**VIT, **CUSTOM},
    "sine-cosine positions": {**VIT, "pos_embed_type": "sin_cos_2d"},
    "wide images": {**VIT, "image_size": [32, 48]},
    "patch 14": {**VIT, "patch_size": 14, "image_size": 42},
    "two blocks": {**VIT, "layers": 2},
}


def config_of(vision: dict[str, Any], **model: Any) -> dict[str, Any]:
    """Return the model configuration around a vision configuration."""
    return {"embed_dim": DIM, "vision_cfg": vision, "text_cfg": TEXT, **model}


def clip_of(vision: dict[str, Any], **model: Any) -> nn.Module:
    """Build an open_clip model of which every parameter and statistic is random."""
    clip = build_clip(config_of(vision, **model))
    for module in clip.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, nn.MultiheadAttention):
            nn.init.normal_(module.in_proj_bias, std=0.2)
            nn.init.normal_(module.out_proj.bias, std=0.2)
    return clip.eval()


def vlm_of(vision: dict[str, Any], dense: str = "auto", **model: Any) -> VisionLanguageModel:
    """Wrap such a model."""
    clip = clip_of(vision, **model)
    config = config_of(vision, **model)
    return VisionLanguageModel.from_open_clip(clip, config, tokenizer(), dense=dense)


@cache
def tokenizer() -> open_clip.SimpleTokenizer:
    """Return the tokenizer of `TEXT`, whose table takes a moment to read."""
    return open_clip.SimpleTokenizer(context_length=TEXT["context_length"])


def images_for(vlm: VisionLanguageModel, batch: int = 2) -> torch.Tensor:
    """Draw normalised images of the size the tower was trained at."""
    return torch.randn(batch, 3, *vlm.tower.image_size)


def save_folder(folder: Path, clip: nn.Module, config: dict[str, Any], **preprocess: Any) -> Path:
    """Write a model as open_clip's own local folder, in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.half().contiguous() for name, value in clip.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    content = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    return folder
