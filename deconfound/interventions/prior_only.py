"""The sum over z by its prior alone: the same vector for every region."""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from deconfound.estimators.base import prior_weights
from deconfound.interventions.base import InterventionLayer, check_widths, interventions
from deconfound.types import Confounders, Intervened, Regions


@interventions.register("prior_only")
class PriorOnlyIntervention(InterventionLayer):
    """F_ca = F + g ⊙ W Σ_z P(z) z: the average confounder, added to every region.

    What is left of the literature's sums where the attention in them says nothing: of
    Σ_z softmax(q kᵀ)·z·P(z) in VC R-CNN (arXiv 2002.12204) with equal attention, of cross-attention
    at T → ∞. The weights are those of the backdoor formula; what they weigh is not.

    **It cannot adjust.** The summand W z does not depend on the region, so the sum is a constant:
    to a head that follows it, a bias, which any head has of its own. Training with it and without
    it, a network can learn the same functions. It is a control: what it gains over `identity` is no
    adjustment.

    The gate g starts at zero, so that an untrained layer is exactly the identity; d² weights.

    Args:
        dim: d, the width of the joint space.

    Raises:
        ShapeError: in ``forward`` and ``effects``, features or embeddings that are not d wide.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.project = nn.Linear(dim, dim, bias=False)
        self.gate = nn.Parameter(torch.zeros(dim))

    def forward(self, regions: Regions, confounders: Confounders) -> Intervened:
        """Add the mean confounder; weights are P(z)."""
        check_widths(self, self.dim, regions, confounders)
        mean = confounders.prior @ confounders.embeddings
        features = regions.features + self.gate * self.project(mean)
        return Intervened(features, prior_weights(regions, confounders.prior))

    def effects(self, regions: Regions, confounders: Confounders) -> Tensor:
        """Return f + g ⊙ W z_m for every m: (B, M, N, d); the same change for every region."""
        check_widths(self, self.dim, regions, confounders)
        changes = self.gate * self.project(confounders.embeddings)
        return rearrange(regions.features, "b n d -> b 1 n d") + rearrange(changes, "m d -> m 1 d")

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"dim": self.dim}
