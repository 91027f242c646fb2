"""Class prompts conditioned on a picture's style (StyLIP)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from deconfound.interventions.base import interventions
from deconfound.interventions.class_text import ClassTextIntervention, context_start
from deconfound.vlm.context import ContextText

EPSILON = 1e-5


@interventions.register("stylip")
class StylePromptIntervention(ClassTextIntervention):
    """e_k = text("[v_1(x)] … [v_m(x)] {class}"), where v_j(x) is affine in the style of picture x.

    The style is mean and standard deviation of each channel over the regions (StyLIP, arXiv
    2302.09251), here of one map, and with their own scale taken out. The projectors start at zero
    and their bias at given vectors, so that every picture starts with the same prompt. The text
    tower is frozen, and is part of the saved model: a new picture needs new embeddings.

    Args:
        dim: d, the width of the joint space.
        text: reads the class prompts; or its options, to be filled by a state dict.
        context: (m, width), where v starts; or that shape alone, to be filled by a state dict.
        scale: see `ClassTextIntervention`.
    """

    def __init__(
        self,
        dim: int,
        text: ContextText | Mapping[str, Any],
        context: Tensor | Sequence[int],
        scale: float,
    ) -> None:
        super().__init__(dim, scale)
        self.text = text if isinstance(text, ContextText) else ContextText(**text)
        start = context_start(context)
        self.shape = tuple(start.shape)
        self.projectors = nn.Linear(2 * dim, start.numel())
        nn.init.zeros_(self.projectors.weight)
        with torch.no_grad():
            self.projectors.bias.copy_(start.flatten())

    def texts(self, features: Tensor) -> Tensor:
        """Return each picture's own texts (B, S, d); see `ClassTextIntervention.texts`."""
        tokens = self.projectors(style(features))
        return self.text(rearrange(tokens, "b (m w) -> b m w", m=self.shape[0]))

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments; values are in the state dict."""
        return {
            "dim": self.dim,
            "text": self.text.options(),
            "context": list(self.shape),
            "scale": self.scale,
        }


def style(features: Tensor) -> Tensor:
    """Return the style (B, 2d) of pictures with regions (B, N, d): mean 0, variance 1 in each."""
    variance, mean = torch.var_mean(features, dim=1, correction=0)
    statistics = torch.cat([mean, (variance + EPSILON).sqrt()], dim=-1)
    return F.layer_norm(statistics, statistics.shape[-1:])
