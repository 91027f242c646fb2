"""An outcome model that scales and shifts: feature-wise linear modulation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from einops import rearrange
from torch import Tensor, nn

from deconfound.estimators.base import Estimator
from deconfound.interventions.base import interventions
from deconfound.interventions.joint import JointIntervention
from deconfound.interventions.zero import starting_at_zero


@interventions.register("film")
class FiLMIntervention(JointIntervention):
    """A(f, z) = f ⊙ (1 + γ(z)) + β(z), with γ and β affine (FiLM, arXiv 1709.07871).

    Both functions start at zero, so that an untrained layer is exactly the identity: 2d² weights.

    What one confounder does is seen plainly: it scales and shifts channels. But A is affine in z,
    so enumeration and prior mean agree, and the sum over z is one scale and one shift for all
    regions. Average logits or probabilities (``average`` of `CausalSegmenter`), or take the gated
    MLP, where the sum should do more.

    Args:
        dim: d, the width of the joint space.
        estimator: how the sum over z is taken, see `JointIntervention`.
    """

    def __init__(
        self, dim: int, estimator: Estimator | str | Mapping[str, Any] = "enumeration"
    ) -> None:
        super().__init__(dim, estimator)
        self.scale = starting_at_zero(nn.Linear(dim, dim))
        self.shift = starting_at_zero(nn.Linear(dim, dim))

    def outcomes(self, features: Tensor, z: Tensor) -> Tensor:
        """Return A(f, z_m) for features (B, N, d) and embeddings (M, d): (B, M, N, d)."""
        scale, shift = (rearrange(part(z), "m d -> m 1 d") for part in (self.scale, self.shift))
        return rearrange(features, "b n d -> b 1 n d") * (1 + scale) + shift
