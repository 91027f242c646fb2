"""Regions joined by the texts of the classes that they fit: what prompt-learning methods share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from deconfound.errors import ConfigurationError
from deconfound.estimators.base import prior_weights
from deconfound.interventions.base import InterventionLayer, check_widths
from deconfound.types import Confounders, Intervened, Regions


class ClassTextIntervention(InterventionLayer):
    """F_ca = f + ‖f‖ Σ_k P(k|f) e_k, with P(k|f) = softmax_k(s · cos(f, e_k)).

    A classifier by texts, as CLIP is one, carried out at every location: a subclass says what the
    texts e_k are. The dictionary of confounders is not read, so nothing is adjusted for, and the
    weights are P(z).

    Args:
        dim: d, the width of the joint space.
        scale: s, what cosines are multiplied by; the vision-language model's own, as a rule.

    Raises:
        ConfigurationError: a scale that is not positive.
        ShapeError: in ``forward``, features that are not d wide.
    """

    def __init__(self, dim: int, scale: float) -> None:
        super().__init__()
        if not scale > 0:
            raise ConfigurationError(f"class texts: scale must be > 0, found {scale}")
        self.dim = dim
        self.scale = float(scale)

    @abstractmethod
    def texts(self, features: Tensor) -> Tensor:
        """Return the texts for pictures with regions (B, N, d).

        Returns:
            (B, S, d), or (1, S, d) where they are the same for all; float32, L2-normalised.
        """

    def forward(self, regions: Regions, confounders: Confounders) -> Intervened:
        """Join the texts; see `InterventionLayer.forward` for the shapes."""
        check_widths(self, self.dim, regions, confounders)
        features = regions.features
        with torch.autocast(features.device.type, enabled=False):  # in bf16 close scores would tie
            exact = features.float()
            texts = self.texts(exact)
            scores = self.scale * F.normalize(exact, dim=-1) @ texts.mT
            said = exact.norm(dim=-1, keepdim=True) * (scores.softmax(dim=-1) @ texts)
        joined = features + said.to(features.dtype)
        return Intervened(joined, prior_weights(regions, confounders.prior))


def context_start(context: Tensor | Sequence[int]) -> Tensor:
    """Return a tensor of its own: given values, or zeros of a shape that a state dict will fill."""
    given = context if isinstance(context, Tensor) else torch.zeros(tuple(context))
    return given.detach().clone().float()
