"""Closed-form erasure of what the dictionary says: regions without the confounders' directions."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError
from deconfound.estimators.base import prior_weights
from deconfound.interventions.base import InterventionLayer, check_widths, interventions
from deconfound.types import Confounders, Intervened, Regions


@interventions.register("erasure")
class ErasureIntervention(InterventionLayer):
    """F_ca = P F: what the prompts of the dictionary can tell apart is projected out of a region.

    With A the dictionary centred and weighed, rows √P(z)·(z - z̄), the default is the orthogonal
    projection that forgets their span::

        P = I - A⁺A

    After it, no confounder is more similar to a region than another. A finite ``strength`` λ is the
    calibrated projection of Chuang et al. (arXiv 2302.00070) for pairs of confounders drawn from
    P(z) and with P₀ = I: the P that minimises ‖P - I‖² + λ·E‖Pz - Pz'‖²::

        P = (I + 2λ AᵀA)⁻¹ = I - 2λ Aᵀ(I + 2λ AAᵀ)⁻¹A,        λ → ∞ gives the default

    P is symmetric, depends on the dictionary alone and has no parameters. It removes what *text*
    says of a confounder: where images of a confounder lie elsewhere (the modality gap), it removes
    the wrong directions; `LeaceIntervention` takes the directions from images. It does not tell
    what one confounder would do, and so declares no effects.

    Args:
        dim: d, the width of the joint space.
        strength: λ > 0; ``float("inf")`` erases the span exactly.
        centre: subtract z̄ = Σ_z P(z)·z first, so that what all prompts share (their template,
            "an endoscopy image") stays. False erases that too, as the uncalibrated projection of
            the paper does.

    Raises:
        ConfigurationError: a strength that is not positive.
        ShapeError: in ``forward``, features or embeddings that are not d wide.
    """

    def __init__(self, dim: int, strength: float = math.inf, centre: bool = True) -> None:
        super().__init__()
        if not strength > 0:
            raise ConfigurationError(f"erasure strength must be > 0, found {strength}")
        self.dim = dim
        self.strength = float(strength)
        self.centre = centre

    def forward(self, regions: Regions, confounders: Confounders) -> Intervened:
        """Project every region; weights are P(z), as the projection is one for all."""
        check_widths(self, self.dim, regions, confounders)
        features = regions.features
        with torch.autocast(features.device.type, enabled=False):  # bf16 would leave a remainder
            read, write = self.factors(confounders)
            removed = features.to(read.dtype) @ read @ write
        erased = features - removed.to(features.dtype)
        return Intervened(erased, prior_weights(regions, confounders.prior))

    def factors(self, confounders: Confounders) -> tuple[Tensor, Tensor]:
        """Return I - P as a product of (d, M) and (M, d): two thin products, not a d x d one."""
        exact = torch.promote_types(confounders.embeddings.dtype, torch.float32)
        z, prior = confounders.embeddings.to(exact), confounders.prior.to(exact)  # half has no pinv
        spread = z - prior @ z if self.centre else z
        rows = prior.sqrt()[:, None] * spread
        if math.isinf(self.strength):
            return torch.linalg.pinv(rows, atol=_rounding(z), rtol=0.0), rows
        gram = 2 * self.strength * rows @ rows.T
        damped = torch.eye(len(z), dtype=z.dtype, device=z.device) + gram
        return 2 * self.strength * torch.linalg.solve(damped, rows).T, rows

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"dim": self.dim, "strength": self.strength, "centre": self.centre}


def _rounding(z: Tensor) -> Tensor:
    """Return below what a singular value of the centred rows is rounding of the rows themselves."""
    return torch.linalg.matrix_norm(z.detach()) * max(z.shape) * torch.finfo(z.dtype).eps
