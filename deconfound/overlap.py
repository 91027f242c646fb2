"""How well predicted masks cover the true ones: Dice, IoU and accuracy of every image by itself.

Libraries disagree about images without a lesion (torchmetrics gives nan, others 1, others leave
out false positives on clean frames). Here: nothing there and nothing found scores ``BOTH_EMPTY``;
a lesion seen on a clean frame scores 0, as the formula says.

Counting is left to ``segmentation_models_pytorch.metrics.get_stats``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

#: Dice and IoU of an image in which there is no lesion and none was predicted.
BOTH_EMPTY = 1.0


def predicted_mask(logits: Tensor) -> Tensor:
    """Turn logits (B, C, H, W) into class indices (B, H, W), int64."""
    return (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(dim=1)


def confusion_counts(predicted: Tensor, mask: Tensor, num_classes: int) -> Tensor:
    """Count the pixels of each image that are labelled right and wrong.

    Args:
        predicted: (B, H, W), int64 class indices.
        mask: (B, H, W), int64 class indices.
        num_classes: C, 1 in the binary task, else K+1, background first.

    Returns:
        (B, C, 4), int64: tp, fp, fn, tn of each channel.
    """
    from segmentation_models_pytorch.metrics import get_stats

    if num_classes == 1:
        stats = get_stats(predicted[:, None], mask[:, None], mode="binary")
    else:
        stats = get_stats(predicted, mask, mode="multiclass", num_classes=num_classes)
    return torch.stack([count.long() for count in stats], dim=-1)


def per_image_scores(table: np.ndarray) -> np.ndarray:
    """Score every image by itself.

    With several lesion classes an image's Dice is the mean over the classes that are there or were
    predicted: counting absent classes as perfect would lift every image towards 1.

    Args:
        table: (images, C, 4), tp, fp, fn, tn.

    Returns:
        (images, 3): Dice, IoU, accuracy.
    """
    lesions = table if table.shape[1] == 1 else table[:, 1:]
    tp, fp, fn = np.moveaxis(lesions[..., :3], -1, 0)
    seen = (tp + fp + fn) > 0
    number = seen.sum(axis=1)
    scores = [
        np.where(number == 0, BOTH_EMPTY, (score * seen).sum(axis=1) / np.maximum(number, 1))
        for score in _overlap(tp, fp, fn)
    ]
    return np.stack([*scores, _accuracy(table)], axis=1)


def _overlap(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Dice and IoU, elementwise, with the empty-mask policy."""
    either = tp + fp + fn
    empty = either == 0
    dice = np.where(empty, BOTH_EMPTY, 2 * tp / np.maximum(either + tp, 1))
    return dice, np.where(empty, BOTH_EMPTY, tp / np.maximum(either, 1))


def _accuracy(table: np.ndarray) -> np.ndarray:
    """(images,): share of pixels labelled right: tp + tn of one channel, else the sum of all tp."""
    right = table[:, 0, [0, 3]].sum(axis=1) if table.shape[1] == 1 else table[..., 0].sum(axis=1)
    return right / table[:, 0].sum(axis=1)
