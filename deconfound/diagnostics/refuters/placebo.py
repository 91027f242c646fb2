"""A dictionary that means nothing. If it does as well, the named confounders do not matter."""

from __future__ import annotations

import torch
from torch import Tensor

from deconfound.diagnostics.refuters.changed_dictionary import ChangedDictionary
from deconfound.diagnostics.refuters.claims import Claim
from deconfound.types import Confounders


class PlaceboDictionary(ChangedDictionary):
    """Turns the whole dictionary by one random rotation.

    Norms and the Gram matrix stay, so the placebo is as large, as diverse and as nearly parallel as
    the real one; only what its vectors point at is gone.
    """

    name = "placebo dictionary"
    asks = "Do the named confounders matter, or would any vectors of the same shape do?"
    claim: Claim = "falls"
    what = "With vectors of the same Gram matrix that point at nothing"

    def change(self, confounders: Confounders, seed: int) -> Confounders:
        """Return the dictionary, turned."""
        names = tuple(f"placebo {m + 1}" for m in range(len(confounders.names)))
        return Confounders(rotated(confounders.embeddings, seed), confounders.prior, names)


def rotated(vectors: Tensor, seed: int) -> Tensor:
    """Return (M, d) vectors under one orthogonal matrix, drawn evenly from all of them.

    The QR factors of a Gaussian matrix are distributed evenly once the signs of R's diagonal are
    moved into Q (Mezzadri 2007).
    """
    width = vectors.shape[-1]
    generator = torch.Generator().manual_seed(seed)
    gaussian = torch.randn(width, width, generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(gaussian)
    turned = vectors.detach().cpu().double() @ (q * r.diagonal().sign())
    return turned.to(vectors)
