"""Confounders spoken in English: one text embedding per prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deconfound.dictionaries.base import ConfounderDictionary, dictionaries
from deconfound.dictionaries.part import centred
from deconfound.dictionaries.prior import as_prior
from deconfound.errors import ShapeError
from deconfound.types import Confounders


@dictionaries.register("text")
class TextPromptDictionary(ConfounderDictionary):
    """Z = {z_m}: embeddings of "An endoscopy image with {confounder}" (arXiv 2508.05008).

    Text is encoded once, outside; the dictionary keeps the vectors and never needs the text tower.

    Args:
        names: the M confounders in words.
        embeddings: (M, d), their text embeddings, L2-normalised; None for a dictionary whose
            values come from a state dict, which then needs ``dim``.
        prior: P(z), M non-negative numbers that need not sum to one; None is uniform.
        centre: subtract the mean embedding z̄ = Σ_z P(z)·z. Prompts of one template are nearly
            parallel (a cosine of 0.97 leaves the part that varies ~100 times smaller), and
            attention washes out.
        dim: d, where ``embeddings`` is None.

    Raises:
        ShapeError: embeddings that are not one row per name.
        ConfigurationError: a prior that is not a distribution over the names.
    """

    embeddings: Tensor
    prior: Tensor

    def __init__(
        self,
        names: Sequence[str],
        embeddings: Tensor | None = None,
        prior: Sequence[float] | Tensor | None = None,
        centre: bool = False,
        dim: int | None = None,
    ) -> None:
        super().__init__()
        if embeddings is None:
            embeddings = torch.zeros(len(names), dim or 0)
        if embeddings.ndim != 2 or len(embeddings) != len(names) or 0 in embeddings.shape:
            raise ShapeError(
                f"TextPromptDictionary: expected embeddings of shape ({len(names)}, d), one row "
                f"per name, found {tuple(embeddings.shape)}"
            )
        self.names = tuple(names)
        self.centre = centre
        self.register_buffer("embeddings", embeddings.detach().float().clone())
        self.register_buffer("prior", as_prior(prior, self.names))

    def forward(self) -> Confounders:
        """Return the prompts' embeddings, centred on request, with the prior."""
        embeddings = self.embeddings
        if self.centre:
            embeddings = centred(embeddings, self.prior)
        return Confounders(embeddings, self.prior, self.names)

    def weigh(self, prior: Sequence[float] | Tensor | None) -> None:
        """Hold another P(z); what it may be, and the errors, are those of the constructor."""
        self.prior.copy_(as_prior(prior, self.names))

    def options(self) -> dict[str, Any]:
        """Return names, centre and dim; embeddings and prior are in the state dict."""
        dim = self.embeddings.shape[1]
        return {"names": list(self.names), "centre": self.centre, "dim": dim}
