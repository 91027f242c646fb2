"""L_seg: what the mask says."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deconfound.errors import ConfigurationError, ShapeError, unknown_name

Kind = Literal["ce", "ce+dice"]


class SegmentationLoss(nn.Module):
    """Pixel-level cross-entropy (arXiv 2508.05008), with a soft Dice term on request.

    Args:
        kind: ``"ce"``, as published, or ``"ce+dice"``, which learns small lesions sooner.
        lesion: weight of the same loss of *where* a lesion is, whichever its class. Under
            confounding most pairs of class and confounder are hardly seen, but lesions are seen
            under every confounder: what they look like there is learned from all classes. Does
            nothing where there is one class, of which the loss is that already.

    Raises:
        UnknownNameError: another kind.
        ConfigurationError: a negative weight.
    """

    def __init__(self, kind: Kind = "ce", lesion: float = 0.0) -> None:
        super().__init__()
        if not lesion >= 0:
            raise ConfigurationError(f"loss weights must be ≥ 0, found lesion {lesion}")
        if kind not in get_args(Kind):
            raise unknown_name("segmentation loss", str(kind), get_args(Kind))
        self.kind = kind
        self.lesion = lesion

    def forward(self, logits: Tensor, mask: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return a scalar.

        A weight multiplies its image's cross-entropy, and the mean is still over B images: weights
        of mean one over a data set (:mod:`deconfound.estimators.weighting`) then leave the size of
        a step as it was, and a heavy image is heavy in a batch of one too. In Dice, which is a
        ratio over the batch, an image counts as if it were there ``weight`` times.

        Args:
            logits: (B, C, H, W); C = 1 is binary, otherwise channel 0 is the background.
            mask: (B, H, W), int64 class indices; 0 and 1 where binary.
            weight: (B,), not negative; None counts every image once.

        Raises:
            ShapeError: weights that are not one for each image.
        """
        if weight is not None and weight.shape != logits.shape[:1]:
            raise ShapeError(
                f"segmentation loss: expected one weight for each of {len(logits)} images, "
                f"found {tuple(weight.shape)}"
            )
        loss = self._loss(logits, mask, weight)
        if not self.lesion or logits.shape[1] <= 2:
            return loss
        return loss + self.lesion * self._loss(any_lesion(logits), (mask > 0).long(), weight)

    def _loss(self, logits: Tensor, mask: Tensor, weight: Tensor | None) -> Tensor:
        loss = _cross_entropy(logits, mask, weight)
        return loss if self.kind == "ce" else loss + soft_dice(*_foreground(logits, mask), weight)


def any_lesion(logits: Tensor) -> Tensor:
    """Return the logit of a lesion of any class, log P(lesion)/P(background), (B, 1, H, W).

    Args:
        logits: (B, C, H, W), channel 0 the background.
    """
    return torch.logsumexp(logits[:, 1:], dim=1, keepdim=True) - logits[:, :1]


def _foreground(logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return probability and target of every class but the background, (B, C or C - 1, H, W)."""
    if logits.shape[1] == 1:
        return logits.sigmoid(), mask.unsqueeze(1).to(logits.dtype)
    target = F.one_hot(mask, logits.shape[1]).movedim(-1, 1).to(logits.dtype)
    return logits.softmax(dim=1)[:, 1:], target[:, 1:]


def _cross_entropy(logits: Tensor, mask: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean over pixels and images, each image as often as its weight says."""
    reduction = "mean" if weight is None else "none"
    if logits.shape[1] == 1:
        target = mask.unsqueeze(1).to(logits.dtype)
        loss = F.binary_cross_entropy_with_logits(logits, target, reduction=reduction)
    else:
        loss = F.cross_entropy(logits, mask, reduction=reduction)
    return loss if weight is None else (loss.flatten(1).mean(dim=1) * weight).mean()


def soft_dice(probability: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return 1 - Dice over the batch, the mean over classes that occur; (B, C, H, W) each.

    A class that is absent from the batch has no overlap to learn; cross-entropy handles it. The
    optional weight (B,) says how often each image counts.
    """
    axes = (0, 2, 3)
    each = 1 if weight is None else weight[:, None, None, None]
    overlap = (probability * target * each).sum(axes)
    total = ((probability + target) * each).sum(axes)
    present = (target * each).sum(axes) > 0
    dice = torch.where(present, 2 * overlap / total.clamp_min(1e-6), 0)
    return torch.where(present, 1 - dice, 0).sum() / present.sum().clamp_min(1)
