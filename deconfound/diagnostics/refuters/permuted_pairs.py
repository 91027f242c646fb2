"""The right vectors under the wrong names."""

from __future__ import annotations

from dataclasses import replace

import torch

from deconfound.diagnostics.refuters.changed_dictionary import ChangedDictionary
from deconfound.types import Confounders

#: Draws until one moves an embedding to another prior; only priors that are nearly all alike fail.
TRIES = 100


class PermutedPairs(ChangedDictionary):
    """Deals the embeddings out to other names; names and their prior stay.

    To a model a dictionary is a set of pairs (z, P(z)): where every prior is the same, no order of
    the rows can be told from another, and the question has no answer.
    """

    name = "permuted pairs"
    asks = "Does it matter which prior belongs to which confounder?"
    claim = "falls"
    what = "With embeddings dealt out to other names and priors"

    def change(self, confounders: Confounders, seed: int) -> Confounders | None:
        """Return the dictionary with its embeddings permuted, if that can be noticed."""
        generator = torch.Generator().manual_seed(seed)
        for _ in range(TRIES):
            order = torch.randperm(len(confounders.names), generator=generator)
            order = order.to(confounders.prior.device)
            if not torch.allclose(confounders.prior[order], confounders.prior):
                return replace(confounders, embeddings=confounders.embeddings[order])
        return None
