"""The triangle with a mediator: an effect of F on the way to Y, which must be left alone.

::

        Z                 P(Y | do(F=f))                  = Σ_z     P(z)    P(Y | f, z)
       ╱ ╲                adjusted for W as if it were
      ▼   ▼               a confounder                    = Σ_{z,w} P(z, w) P(Y | f, z, w)
      F ──► W ──► Y
      └───────────┘       P(Y | f, z) = Σ_w P(w | f, z) P(Y | f, z, w)

The pair (W, Y) is one outcome of a triangle, so every sum is that of `DiscreteSCM`. Blood that a
tumor sheds is such a W: named in a dictionary, it takes from the tumor what the tumor does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError
from deconfound.simulation.scm.discrete import DiscreteSCM, World


@dataclass(frozen=True, slots=True, eq=False)
class MediatedSample:
    """Independent draws from a world.

    Attributes:
        z: (n,) int64, confounders.
        f: (n,) int64, features.
        w: (n,) int64, mediators.
        y: (n,) int64, outcomes.
    """

    z: Tensor
    f: Tensor
    w: Tensor
    y: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class MediatedSCM:
    """A triangle whose outcomes are pairs (w, y).

    Attributes:
        pairs: W·K outcomes, the pair (w, y) at w·K + y, all of positive probability.
        num_mediators: W

    Raises:
        ConfigurationError: outcomes that do not divide into W, or one that never happens.
    """

    pairs: DiscreteSCM
    num_mediators: int

    def __post_init__(self) -> None:
        count = self.pairs.outcome.shape[2]
        if self.num_mediators < 1 or count % self.num_mediators:
            raise ConfigurationError(
                f"mediator: expected num_mediators to divide {count} pairs, "
                f"found {self.num_mediators}; choose a divisor"
            )
        if bool((self.pairs.outcome == 0).any()):
            raise ConfigurationError(
                "mediator: expected every pair (w, y) with probability above 0, found 0; raise it"
            )

    def with_strength(self, strength: float) -> MediatedSCM:
        """Return the same world at another strength of confounding."""
        return replace(self, pairs=self.pairs.with_strength(strength))

    def triangle(self) -> DiscreteSCM:
        """Return the world with W summed out: all that is needed, and all that should be used."""
        return replace(self.pairs, outcome=self._outcomes().sum(dim=2))

    def joint(self, world: World = "observational") -> Tensor:
        """Return P(z, f, w, y), (M, L, W, K)."""
        return self.pairs.joint(world).unflatten(2, (self.num_mediators, -1))

    def outcome_under_do(self) -> Tensor:
        """Return P(y | do(f)), (L, K): the total effect, that through W included."""
        return self.triangle().outcome_under_do()

    def outcome_adjusted_for_mediator(self, world: World = "observational") -> Tensor:
        """Return Σ_{z,w} P(z, w) P(y | f, z, w), (L, K): W mistaken for a confounder."""
        outcomes = self._outcomes()
        given = outcomes / outcomes.sum(dim=3, keepdim=True)
        return torch.einsum("mw,lmwk->lk", self.joint(world).sum(dim=(1, 3)), given)

    def sample(self, count: int, world: World = "observational", seed: int = 0) -> MediatedSample:
        """Draw from a world; see `DiscreteSCM.sample`."""
        drawn = self.pairs.sample(count, world, seed)
        per_mediator = self.pairs.outcome.shape[2] // self.num_mediators
        return MediatedSample(drawn.z, drawn.f, drawn.y // per_mediator, drawn.y % per_mediator)

    def _outcomes(self) -> Tensor:
        """Return P(w, y | f, z), (L, M, W, K)."""
        return self.pairs.outcome.unflatten(2, (self.num_mediators, -1))
