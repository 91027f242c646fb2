"""L_contrast: the whole picture lies nearer to its own name than to the others."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deconfound.errors import ConfigurationError


class ContrastiveLoss(nn.Module):
    """InfoNCE of image embeddings against class texts (arXiv 2508.05008, L_contrast).

    The texts are the K classes and one for normal tissue: with a single class alone, InfoNCE is
    identically zero and teaches nothing.

    Args:
        temperature: τ, 0.5 in the paper.
    """

    def __init__(self, temperature: float = 0.5) -> None:
        super().__init__()
        if not temperature > 0:
            raise ConfigurationError(f"contrastive temperature must be > 0, found {temperature}")
        self.temperature = temperature

    def forward(self, pooled: Tensor, classes: Tensor, normal: Tensor, target: Tensor) -> Tensor:
        """Return a scalar; 0 where no image of the batch has a known class.

        Args:
            pooled: (B, d), image embeddings.
            classes: (K, d), e_k.
            normal: (d,), the text for normal tissue.
            target: (B,), int64: 0 to K-1 a class, K normal tissue, -1 unknown (skipped).
        """
        texts = F.normalize(torch.cat([classes, normal[None]]), dim=-1)
        logits = F.normalize(pooled.float(), dim=-1) @ texts.T / self.temperature
        known = target >= 0
        each = F.cross_entropy(logits, target.clamp_min(0), reduction="none")
        return torch.where(known, each, 0).sum() / known.sum().clamp_min(1)


def image_targets(mask: Tensor, class_index: Tensor, num_classes: int) -> Tensor:
    """Return which text each image belongs to: its class, K where the mask is empty, -1 unknown.

    Args:
        mask: (B, H, W), 0 is background.
        class_index: (B,), -1 is unknown.
        num_classes: K
    """
    empty = mask.flatten(1).amax(dim=1) == 0
    return torch.where(empty, num_classes, class_index)
