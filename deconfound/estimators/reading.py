"""The vision-language model's zero-shot reading of the confounder, region by region."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.types import Confounders


def read_regions(features: Tensor, confounders: Confounders, temperature: float) -> Tensor:
    """Return softmax_z(cos(f, z)/T + log P(z)) of every region, in the dtype of the features.

    Args:
        features: f, (B, N, d).
        confounders: z, (M, d), with P(z).
        temperature: T > 0.

    Returns:
        (B, N, M), one in sum over M.
    """
    with torch.autocast(features.device.type, enabled=False):  # in bf16 close scores would tie
        exact = torch.promote_types(features.dtype, torch.float32)
        directions = F.normalize(confounders.embeddings.to(exact), dim=-1)
        scores = F.normalize(features.to(exact), dim=-1) @ directions.T
        reading = (scores / temperature + confounders.prior.to(exact).log()).softmax(dim=-1)
    return reading.to(features.dtype)
