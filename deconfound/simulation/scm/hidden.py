"""The triangle with a confounder that nobody names: adjusting for the rest is not enough.

::

      Z   U               Z named, U not; F and Y follow both
      │╲ ╱│
      │ ╳ │               P(Y | do(F=f))          = Σ_{z,u} P(z, u) P(Y | f, z, u)
      ▼╱ ╲▼               what a dictionary gives = Σ_z     P(z)    P(Y | f, z)
      F ──► Y

The pair (Z, U) is one confounder of a triangle, so every sum is that of `DiscreteSCM`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError
from deconfound.simulation.scm.discrete import DiscreteSCM, Sample, World
from deconfound.types import Confounders


@dataclass(frozen=True, slots=True, eq=False)
class HiddenSCM:
    """A triangle over pairs (z, u) of which u is never seen.

    Attributes:
        pairs: M·U confounders, the pair (z, u) at z·U + u.
        num_hidden: U, values of what is hidden; 1 hides nothing.

    Raises:
        ConfigurationError: confounders that do not divide into U.
    """

    pairs: DiscreteSCM
    num_hidden: int

    def __post_init__(self) -> None:
        count = len(self.pairs.prior)
        if self.num_hidden < 1 or count % self.num_hidden:
            raise ConfigurationError(
                f"hidden confounder: expected num_hidden to divide {count} pairs, "
                f"found {self.num_hidden}; choose a divisor"
            )

    def with_strength(self, strength: float) -> HiddenSCM:
        """Return the same world at another strength of confounding."""
        return replace(self, pairs=self.pairs.with_strength(strength))

    def joint(self, world: World = "observational") -> Tensor:
        """Return P(z, f, y), which is all that data can show: (M, L, K)."""
        return self.pairs.joint(world).unflatten(0, (-1, self.num_hidden)).sum(dim=1)

    def outcome_under_do(self) -> Tensor:
        """Return P(y | do(f)), (L, K)."""
        return self.pairs.outcome_under_do()

    def outcome_adjusted(self, world: World = "observational") -> Tensor:
        """Return Σ_z P(z) P(y | f, z), (L, K): what perfect adjustment for z alone gives."""
        joint = self.joint(world)
        given = joint / joint.sum(dim=2, keepdim=True)
        return torch.einsum("m,mlk->lk", joint.sum(dim=(1, 2)), given)

    def sample(self, count: int, world: World = "observational", seed: int = 0) -> Sample:
        """Draw from a world, and forget u; see `DiscreteSCM.sample`."""
        drawn = self.pairs.sample(count, world, seed)
        return Sample(drawn.z // self.num_hidden, drawn.f, drawn.y)

    def dictionary(self) -> Confounders:
        """Return the M named confounders: P(z), and the mean vector of each over u."""
        weights = self.pairs.prior.view(-1, self.num_hidden, 1)
        prior = weights.sum(dim=(1, 2))
        vectors = self.pairs.confounders.unflatten(0, (-1, self.num_hidden))
        means = (weights * vectors).sum(dim=1) / prior[:, None]
        return Confounders(means, prior, tuple(f"z{m}" for m in range(len(prior))))
