"""Image-caption training without false negatives, for whole pictures and for places in them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHARPNESS = 12.0
"""Of the soft maximum over locations: 0 is their mean cosine, infinity the best one's."""


class Objective(nn.Module):
    """Sigmoid loss over every picture and caption (SigLIP, arXiv 2303.15343), true pairs known.

    A second term asks the same of single locations: the soft maximum of a class caption's cosine
    over the places of a picture is high where the caption is true and low elsewhere. Tissue that
    lesion-free pictures share with the others must then score low: the lesion is found by captions
    alone, no mask is ever seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.3))
        self.bias = nn.Parameter(torch.tensor(-4.0))

    def whole(
        self, clip: Any, tokens: Tensor, texts: Tensor, true: Tensor, known: Tensor
    ) -> Tensor:
        """Return the loss of pooled embeddings.

        Args:
            clip: whose logit scale and bias are used and trained.
            tokens: (B, n, d), in the joint space.
            texts: (m, d), L2-normalised.
            true: (B, m) bool.
            known: (B, m) bool, pairs that count.
        """
        pooled = F.normalize(tokens.mean(dim=1), dim=-1)
        logits = clip.logit_scale.exp() * pooled @ texts.T + clip.logit_bias
        return _sigmoid_loss(logits, true, known)

    def places(self, tokens: Tensor, texts: Tensor, true: Tensor, known: Tensor) -> Tensor:
        """Return the loss of the best locations; arguments as for `whole`."""
        cosines = F.normalize(tokens, dim=-1) @ texts.T
        best = (SHARPNESS * cosines).logsumexp(dim=1) - torch.tensor(float(tokens.shape[1])).log()
        logits = self.scale.exp() * best / SHARPNESS + self.bias
        return _sigmoid_loss(logits, true, known)

    def agreement(self, tokens: Tensor, apart: Tensor, texts: Tensor) -> Tensor:
        """Hold what a location says of the classes to what its own window says.

        Attention lets every location know of a lesion, and average pooling rewards each that says
        so. A location that has seen its window alone cannot: it is the teacher.

        Args:
            tokens: (B, n, d), which have seen the whole picture.
            apart: (B, n, d), the same locations with their windows apart.
            texts: (m, d), class captions, L2-normalised.
        """
        texts = texts.detach()
        taught = F.normalize(tokens, dim=-1) @ texts.T
        teacher = F.normalize(apart.detach(), dim=-1) @ texts.T
        return (taught - teacher).square().sum(-1).mean()


def _sigmoid_loss(logits: Tensor, true: Tensor, known: Tensor) -> Tensor:
    losses = F.binary_cross_entropy_with_logits(logits, true.float(), reduction="none")
    return (losses * known).sum() / len(logits)
