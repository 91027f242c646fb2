"""What the recipe's tests share: a model small enough to be trained in a second."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from tests.tiny import TEXT, VISION


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> Path:
    """A tiny model in open_clip's own local format."""
    folder = tmp_path_factory.mktemp("vlm")
    model = {"embed_dim": 32, "vision_cfg": VISION["vit"], "text_cfg": TEXT}
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**model).state_dict(), folder / "open_clip_model.safetensors")
    config = {"model_cfg": model, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder
