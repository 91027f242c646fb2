"""An outcome model for any dependence on region and confounder: a gated MLP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from deconfound.estimators.base import Estimator
from deconfound.interventions.base import interventions
from deconfound.interventions.joint import JointIntervention


@interventions.register("gated_mlp")
class GatedMLPIntervention(JointIntervention):
    """A(f, z) = f + g ⊙ MLP(LN[f, Wz]), one hidden layer of width d, 4d² weights.

    ::

        A(f, z) = f + g ⊙ (W₂ GELU(W_f LN(f) + W_z LN(Wz) + b₁) + b₂)

    The gate g starts at zero, so that an untrained layer is exactly the identity. Region and
    confounder are normalised each by itself: dense features can be an order of magnitude longer
    than text embeddings, and a norm over both would hide z. As the first matrix then acts on each
    part alone, it is applied to N regions and M confounders rather than to N·M pairs.

    Args:
        dim: d, the width of the joint space.
        estimator: how the sum over z is taken, see `JointIntervention`.
    """

    def __init__(
        self, dim: int, estimator: Estimator | str | Mapping[str, Any] = "enumeration"
    ) -> None:
        super().__init__(dim, estimator)
        self.embed = nn.Linear(dim, dim, bias=False)
        self.norm_regions = nn.LayerNorm(dim)
        self.norm_confounders = nn.LayerNorm(dim)
        self.from_regions = nn.Linear(dim, dim)
        self.from_confounders = nn.Linear(dim, dim, bias=False)
        self.out = nn.Linear(dim, dim)
        self.gate = nn.Parameter(torch.zeros(dim))

    def outcomes(self, features: Tensor, z: Tensor) -> Tensor:
        """Return A(f, z_m) for features (B, N, d) and embeddings (M, d): (B, M, N, d)."""
        of_regions = self.from_regions(self.norm_regions(features))
        of_confounders = self.from_confounders(self.norm_confounders(self.embed(z)))
        hidden = rearrange(of_regions, "b n d -> b 1 n d") + rearrange(
            of_confounders, "m d -> m 1 d"
        )
        change = self.gate * self.out(nn.functional.gelu(hidden))
        return rearrange(features, "b n d -> b 1 n d") + change
