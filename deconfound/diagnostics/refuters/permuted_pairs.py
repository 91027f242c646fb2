"""The right vectors under the wrong names."""

from __future__ import annotations

from dataclasses import replace

from deconfound.diagnostics.refuters.changed_dictionary import ChangedDictionary
from deconfound.types import Confounders

#: Least share of P(z) that must change hands. With two outcomes, moving less than this moves the
#: quadratic score by less than 2 · 0.05² = 0.005: nothing that could be told from noise.
LEAST = 0.05


class PermutedPairs(ChangedDictionary):
    """Gives the likeliest confounder's prior to the unlikeliest's vector, and so on inwards.

    To a model a dictionary is a set of pairs (z, P(z)). Of all permutations this one moves most of
    the prior (the rearrangement inequality); a random one may move next to nothing, and then a real
    adjustment has next to nothing to lose. Where even this one moves little, as where all priors
    are equal, the question has no answer.

    It describes a part, and does not decide: a real adjustment over confounders that act alike
    loses nothing here either, however unlike their priors are.
    """

    name = "permuted pairs"
    asks = "Does it matter which prior belongs to which confounder?"
    claim = "falls"
    decisive = False
    what = "With embeddings dealt out to other names and priors"

    def change(self, confounders: Confounders, seed: int) -> Confounders | None:
        """Return the dictionary with its embeddings permuted; nothing is drawn."""
        order = confounders.prior.argsort(stable=True)
        embeddings = confounders.embeddings.clone()
        embeddings[order] = confounders.embeddings[order.flip(0)]
        prior = confounders.prior[order]
        moved = (prior - prior.flip(0)).abs().sum().item() / 2
        return replace(confounders, embeddings=embeddings) if moved >= LEAST else None
