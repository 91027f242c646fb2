"""L_causal: a lesion's meaning stays where its name lies across all confounders."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deconfound.types import Intervened, Regions


class CausalAlignmentLoss(nn.Module):
    """‖F̄_ca - mean_m t_km‖² per present class (arXiv 2508.05008, L_causal; docs/decisions.md).

    F̄_ca is the mean of the selected regions after the intervention, each weighted by the share of
    its cell that the class covers. Both sides are L2-normalised, since the joint space is compared
    by direction. Classes that no selected region shows are skipped.
    """

    def forward(
        self, regions: Regions, intervened: Intervened, coverage: Tensor, joint: Tensor
    ) -> Tensor:
        """Return a scalar in [0, 4]; 0 where no class is present.

        Args:
            regions: what was selected, index (B, N).
            intervened: features (B, N, d).
            coverage: (B, K, h·w), share of each grid cell that class k covers, from
                `class_coverage`.
            joint: (K, M, d), t_km.
        """
        index = regions.index.unsqueeze(1).expand(-1, coverage.shape[1], -1)
        weight = coverage.gather(2, index)  # (B, K, N)
        total = weight.sum(dim=-1)
        pooled = weight @ intervened.features.to(weight.dtype)  # a sum: its length cancels below
        target = F.normalize(joint.mean(dim=1), dim=-1)
        distance = (F.normalize(pooled, dim=-1) - target).square().sum(dim=-1)  # (B, K)
        present = total > 0
        return torch.where(present, distance, 0).sum() / present.sum().clamp_min(1)


def class_coverage(
    mask: Tensor, class_index: Tensor, num_classes: int, grid: tuple[int, int], binary: bool
) -> Tensor:
    """Return which share of each grid cell every class covers.

    Args:
        mask: (B, H, W), int64; 0 is background.
        class_index: (B,), int64, the class of the one lesion of a binary mask; -1 is unknown, and
            such an image covers nothing.
        num_classes: K
        grid: (h, w).
        binary: whether the mask holds 0 and 1 (the class is ``class_index``) or 0 to K.

    Returns:
        (B, K, h·w), in [0, 1].
    """
    if binary:
        mask = torch.where(
            class_index[:, None, None] >= 0, mask * (class_index[:, None, None] + 1), 0
        )
    one_hot = F.one_hot(mask, num_classes + 1)[..., 1:].movedim(-1, 1).float()
    return F.adaptive_avg_pool2d(one_hot, grid).flatten(2)
