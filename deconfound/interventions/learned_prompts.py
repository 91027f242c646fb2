"""Class prompts with learned words, the same for all pictures (CoOp, BiomedCoOp)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deconfound.interventions.base import interventions
from deconfound.interventions.class_text import ClassTextIntervention, context_start
from deconfound.vlm.context import ContextText


@interventions.register("learned_prompts")
class LearnedPromptIntervention(ClassTextIntervention):
    """e_k = text("[v_1] … [v_m] {class}"), with v trained (CoOp, arXiv 2109.01134).

    Once trained, the embeddings are constants: they are saved, and the text tower is not. A loaded
    model keeps them as they are, in training too.

    Args:
        dim: d, the width of the joint space.
        sentences: S
        context: (m, width), where v starts; or that shape alone, to be filled by a state dict.
        scale: see `ClassTextIntervention`.
        text: reads the S class prompts; not persistent. None where the embeddings come from a
            state dict.
    """

    embedded: Tensor

    def __init__(
        self,
        dim: int,
        sentences: int,
        context: Tensor | Sequence[int],
        scale: float,
        text: ContextText | None = None,
    ) -> None:
        super().__init__(dim, scale)
        self.text = text
        self.context = nn.Parameter(context_start(context), requires_grad=text is not None)
        self.register_buffer("embedded", torch.full((sentences, dim), float("nan")))
        self.register_state_dict_pre_hook(_write_down)

    def embeddings(self) -> Tensor:
        """Return e, (S, d), L2-normalised."""
        return self.embedded if self.text is None else self.text(self.context)

    def texts(self, features: Tensor) -> Tensor:
        """Return the texts of all pictures (1, S, d); see `ClassTextIntervention.texts`."""
        return self.embeddings()[None]

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments; values are in the state dict."""
        return {
            "dim": self.dim,
            "sentences": len(self.embedded),
            "context": list(self.context.shape),
            "scale": self.scale,
        }


def _write_down(layer: LearnedPromptIntervention, prefix: str, keep_vars: bool) -> None:
    """Bring the saved embeddings up to date: a hook that runs before the state is read."""
    layer.embedded.copy_(layer.embeddings().detach())
