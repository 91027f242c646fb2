"""A model whose text has been encoded already: what a saved segmenter is rebuilt around."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deconfound.vlm.model import VisionLanguageModel
from deconfound.vlm.tower import VisionTower


class TextlessModel(VisionLanguageModel):
    """A tower without weights and text without a tower, both to be filled from a state dict.

    Args:
        spec: what the saved tower's `VisionTower.spec` returned.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        super().__init__(
            nn.Identity(), VisionTower.from_spec(spec), tokenizer=_no_tokens, name=spec["name"]
        )

    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """Return rows of nan (n, d): nothing sensible comes out before the state dict is loaded."""
        return torch.full((len(prompts), self.embed_dim), torch.nan)

    def count_tokens(self, prompt: str) -> int:
        """Return 0: the prompts were checked when they were encoded."""
        return 0

    @property
    def context_length(self) -> int:
        """Return 0, beside which no prompt is too long."""
        return 0


def _no_tokens(prompts: Sequence[str]) -> Tensor:
    raise NotImplementedError("a TextlessModel has no tokenizer")
