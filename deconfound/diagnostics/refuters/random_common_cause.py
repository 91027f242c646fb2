"""One more confounder, which has no effect on anything."""

from __future__ import annotations

import torch
from torch import Tensor

from deconfound.diagnostics.refuters.changed_dictionary import ChangedDictionary
from deconfound.types import Confounders


class RandomCommonCause(ChangedDictionary):
    """Crosses the dictionary with a fair coin W: z_m becomes z_m + δu and z_m - δu.

    Every confounder keeps its prior, in two halves, and Σ_{z,w} P(z) P(w) P(Y|F, z, w) is
    Σ_z P(z) P(Y|F, z), because W causes nothing. The direction u is orthogonal to the dictionary,
    so that no reading of the real confounders moves with it.

    Args:
        size: δ, as a share of the vectors' mean length.
        margin: how far the score may move.
    """

    name = "random common cause"
    asks = "Does the estimate stay where it is when a coin that causes nothing is adjusted for too?"
    claim = "stays"
    what = "With a random confounder added"

    def __init__(self, size: float = 0.2, margin: float | None = None) -> None:
        super().__init__(margin)
        self.size = size

    def change(self, confounders: Confounders, seed: int) -> Confounders:
        """Return the dictionary with every confounder split in two."""
        z = confounders.embeddings
        step = self.size * z.norm(dim=-1).mean() * _outside(z, seed)
        halves = confounders.prior / 2
        names = [f"{name} {sign}" for sign in ("+", "-") for name in confounders.names]
        return Confounders(torch.cat([z + step, z - step]), torch.cat([halves] * 2), tuple(names))


def _outside(vectors: Tensor, seed: int) -> Tensor:
    """Return a random unit vector (d,), orthogonal to (M, d) vectors where there is room."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(vectors.shape[-1], generator=generator, dtype=torch.float64)
    span = vectors.detach().cpu().double()
    if len(span) < len(drawn):
        drawn = drawn - torch.linalg.pinv(span) @ (span @ drawn)
    return torch.nn.functional.normalize(drawn, dim=0).to(vectors)
