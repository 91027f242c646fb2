"""How well each location fits the classes in words: the score map Ŝ."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def similarity_map(dense: Tensor, class_embeddings: Tensor) -> Tensor:
    """Return Ŝ[b, y, x] = max_k cos(C[b, :, y, x], e_k) (arXiv 2508.05008, MTRS).

    Args:
        dense: (B, d, h, w), features of every location in the joint space; any length.
        class_embeddings: (K, d); any length.

    Returns:
        (B, h, w), float32, cosines in [-1, 1]. A location whose feature is zero scores 0.
    """
    with torch.autocast(
        dense.device.type, enabled=False
    ):  # in bf16 a third of the scores would tie
        dense = F.normalize(dense.float(), dim=1)
        text = F.normalize(class_embeddings.float(), dim=1)
        return (text @ dense.flatten(2)).amax(dim=1).unflatten(-1, dense.shape[-2:])
