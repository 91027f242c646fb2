"""The architecture of "mini", its tokens in the joint space, and its export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from deconfound.training.files import write_atomically, write_json
from deconfound.vlm.architecture import build_clip

from .captions import every_word

IMAGE_SIZE = 96
PREPROCESS: dict[str, Any] = {
    "mean": [0.45, 0.30, 0.25],
    "std": [0.25, 0.20, 0.18],
    "interpolation": "bicubic",
    "resize_mode": "squash",
}
MODEL: dict[str, Any] = {
    "embed_dim": 128,
    "init_logit_scale": 2.3,
    "init_logit_bias": -2.0,
    "vision_cfg": {
        "image_size": IMAGE_SIZE,
        "patch_size": 8,
        "width": 128,
        "layers": 4,
        "head_width": 64,
        "pool_type": "avg",
    },
    "text_cfg": {
        "context_length": 32,
        "vocab_size": 49408,
        "width": 48,
        "heads": 3,
        "layers": 2,
    },
}
"""Average pooling after the last norm: the tokens of the locations lie in the joint space, and
their mean is the image embedding. The tokenizer is CLIP's own, so any pack in English can be read;
its vocabulary is what makes the text tower narrow."""


def build() -> Any:
    """Build the model with random weights, with sine-cosine positions to start from."""
    clip = build_clip(MODEL)
    visual = clip.visual
    positions = sine_cosine(visual.grid_size, visual.conv1.out_channels)
    with torch.no_grad():
        visual.positional_embedding[1:].copy_(positions)
    return clip


def sine_cosine(grid: tuple[int, int], channels: int) -> Tensor:
    """Return 2-D sine-cosine positions (h · w, channels) of a grid (h, w)."""
    frequency = 10_000 ** -(torch.arange(channels // 4) / (channels // 4))
    rows, columns = torch.meshgrid(*map(torch.arange, grid), indexing="ij")
    angles = [axis.reshape(-1, 1) * frequency for axis in (rows, columns)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)


def normalize(images: Tensor) -> Tensor:
    """Normalise images (B, 3, H, W) in [0, 1] as the configuration says."""
    mean, std = (torch.tensor(PREPROCESS[key]).view(3, 1, 1) for key in ("mean", "std"))
    return (images - mean) / std


def locate(visual: Any, embedded: Tensor) -> Tensor:
    """Return tokens (B, n, d) of the locations in the joint space; their mean is the embedding.

    Args:
        visual: the vision tower.
        embedded: (B, 1 + n, c), what its `_embeds` returned, or some of its locations.
    """
    return visual.ln_post(visual.transformer(embedded))[:, 1:] @ visual.proj


def locate_apart(visual: Any, embedded: Tensor, windows: int) -> Tensor:
    """Do as `locate`, with locations that can see no further than their own window.

    Args:
        visual: the vision tower.
        embedded: (B, 1 + windows · m, c), the locations window by window.
        windows: how many.
    """
    batch = len(embedded)
    first, places = embedded[:, :1], embedded[:, 1:].unflatten(1, (windows, -1))
    apart = torch.cat([first[:, None].expand(-1, windows, -1, -1), places], dim=2).flatten(0, 1)
    return locate(visual, apart).reshape(batch, places.shape[1] * places.shape[2], -1)


def draw_places(grid: tuple[int, int], side: int, kept: int) -> Tensor:
    """Draw locations from each square window of a grid.

    Args:
        grid: (h, w), multiples of ``side``.
        side: of a window, in locations.
        kept: how many locations of each window.

    Returns:
        (windows, kept) positions in the flattened grid.
    """
    places = torch.arange(grid[0] * grid[1]).view(grid[0] // side, side, grid[1] // side, side)
    windows = places.transpose(1, 2).reshape(-1, side * side)
    return windows.gather(1, torch.rand(windows.shape).argsort(dim=1)[:, :kept])


def forget_unread_words(clip: Any, tokenizer: Any) -> None:
    """Zero the embeddings of tokens that no caption holds: they were never trained.

    A word the model has never read is then neutral instead of random.
    """
    read = torch.zeros(clip.vocab_size, dtype=torch.bool)
    read[tokenizer([every_word()], context_length=4096).unique()] = True
    with torch.no_grad():
        clip.token_embedding.weight[~read] = 0


def export(clip: nn.Module, folder: Path) -> None:
    """Write configuration and float16 weights, each file whole or not at all."""
    half = {name: value.half().contiguous() for name, value in clip.state_dict().items()}
    write_atomically(folder / "open_clip_model.safetensors", lambda path: save_file(half, path))
    write_json(folder / "open_clip_config.json", {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS})
