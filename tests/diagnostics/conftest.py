"""Models small enough to ask many times, with parts that say something."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from deconfound import CausalSegmenter
from tests.tiny import tiny_vlm

Build = Callable[..., CausalSegmenter]
UNET = {"name": "Unet", "decoder_channels": (16, 16, 8, 8, 8)}


@pytest.fixture(scope="session")
def build() -> Build:
    """Build a tiny model in evaluation mode; nothing in it starts as the identity."""

    def model(intervention="gated_mlp", **options) -> CausalSegmenter:
        torch.manual_seed(0)
        made = CausalSegmenter(UNET, vlm=tiny_vlm(), intervention=intervention, **options)
        with torch.no_grad():
            for part in (made.intervention, made.fusion):
                for weights in part.parameters():
                    weights.add_(0.3 * torch.randn_like(weights))
        return made.eval()

    return model


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    """Four pictures in [0, 1]."""
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
