"""L_seg: what the mask says."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deconfound.errors import unknown_name

Kind = Literal["ce", "ce+dice"]


class SegmentationLoss(nn.Module):
    """Pixel-level cross-entropy (arXiv 2508.05008), with a soft Dice term on request.

    Args:
        kind: ``"ce"``, as published, or ``"ce+dice"``, which learns small lesions sooner.
    """

    def __init__(self, kind: Kind = "ce") -> None:
        super().__init__()
        if kind not in get_args(Kind):
            raise unknown_name("segmentation loss", str(kind), get_args(Kind))
        self.kind = kind

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Return a scalar.

        Args:
            logits: (B, C, H, W); C = 1 is binary, otherwise channel 0 is the background.
            mask: (B, H, W), int64 class indices; 0 and 1 where binary.
        """
        if logits.shape[1] == 1:
            target = mask.unsqueeze(1).to(logits.dtype)
            loss = F.binary_cross_entropy_with_logits(logits, target)
            foreground = logits.sigmoid()
        else:
            loss = F.cross_entropy(logits, mask)
            target = F.one_hot(mask, logits.shape[1]).movedim(-1, 1)[:, 1:].to(logits.dtype)
            foreground = logits.softmax(dim=1)[:, 1:]
        return loss if self.kind == "ce" else loss + soft_dice(foreground, target)


def soft_dice(probability: Tensor, target: Tensor) -> Tensor:
    """Return 1 - Dice over the batch, the mean over classes that occur; (B, C, H, W) each.

    A class that is absent from the batch has no overlap to learn; cross-entropy handles it.
    """
    axes = (0, 2, 3)
    overlap = (probability * target).sum(axes)
    total = (probability + target).sum(axes)
    present = target.sum(axes) > 0
    dice = torch.where(present, 2 * overlap / total.clamp_min(1e-6), 0)
    return torch.where(present, 1 - dice, 0).sum() / present.sum().clamp_min(1)
