"""A world small enough to be known: the confounding triangle over finite sets.

::

        Z                z ~ P(z)                              M confounders
       ╱ ╲               f ~ (1 - s)·P₀(f) + s·[f = π(z)]      L features
      ▼   ▼              y ~ P(y | f, z)                       K outcomes
      F ──► Y

The dial s is the strength of the confounding: a share s of the pictures shows the feature π(z) that
goes with their confounder. Every question then is a finite sum,

    P(Y | do(F=f)) = Σ_z P(z)     P(Y | f, z)
    P(Y | F=f)     = Σ_z P(z | f) P(Y | f, z),    P(z | f) = P(z) P(f | z) / P(f),

and the two agree at s = 0, where F and Z are independent. Features and confounders also have
vectors, so that whatever works on regions and a dictionary can be asked the same questions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError, unknown_name
from deconfound.types import Confounders, Regions

World = Literal["observational", "interventional", "reversed"]
"""How F comes about: by its mechanism; set from outside, as often as it is observed but whatever z;
or by a mechanism in which every confounder goes with another feature (where there is another)."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Independent draws from a world.

    Attributes:
        z: (n,) int64, confounders.
        f: (n,) int64, features.
        y: (n,) int64, outcomes.
    """

    z: Tensor
    f: Tensor
    y: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class DiscreteSCM:
    """The triangle's mechanisms as tables, in float64.

    Attributes:
        prior: P(z), (M,), positive.
        base: P₀(f), (L,), positive: F where no confounder decides it.
        preferred: π, M indices of features.
        strength: s in [0, 1). At 1 a pair (f, z) that is not preferred never occurs, and
            P(Y | f, z) could be learned from no amount of data.
        outcome: P(y | f, z), (L, M, K).
        features: (L, d), the vector of each feature.
        confounders: (M, d), the vector of each confounder.

    Raises:
        ConfigurationError: tables that do not fit each other, or are no distributions.
    """

    prior: Tensor
    base: Tensor
    preferred: tuple[int, ...]
    strength: float
    outcome: Tensor
    features: Tensor
    confounders: Tensor

    def __post_init__(self) -> None:
        _check(self)

    def with_strength(self, strength: float) -> DiscreteSCM:
        """Return the same world at another strength of confounding."""
        return replace(self, strength=strength)

    def feature_given_confounder(self, world: World = "observational") -> Tensor:
        """Return P(f | z) in a world, (M, L)."""
        if world not in get_args(World):
            raise unknown_name("world", str(world), get_args(World))
        count = len(self.base)
        preferred = torch.tensor(self.preferred)
        if world == "reversed":
            preferred = (preferred + max(1, count // 2)) % count
        own = torch.nn.functional.one_hot(preferred, count).to(self.base)
        by_mechanism = (1 - self.strength) * self.base + self.strength * own
        if world == "interventional":
            return (self.prior @ by_mechanism).expand_as(by_mechanism)
        return by_mechanism

    def joint(self, world: World = "observational") -> Tensor:
        """Return P(z, f, y) in a world, (M, L, K)."""
        pairs = self.prior[:, None] * self.feature_given_confounder(world)
        return pairs[..., None] * self.outcome.transpose(0, 1)

    def outcome_under_do(self) -> Tensor:
        """Return P(y | do(f)), (L, K)."""
        return torch.einsum("m,lmk->lk", self.prior, self.outcome)

    def outcome_observed(self, world: World = "observational") -> Tensor:
        """Return P(y | f), (L, K): what a perfect model without adjustment learns in a world."""
        return torch.einsum("lm,lmk->lk", self.confounder_given_feature(world), self.outcome)

    def confounder_given_feature(self, world: World = "observational") -> Tensor:
        """Return P(z | f), (L, M)."""
        pairs = self.prior[:, None] * self.feature_given_confounder(world)
        return (pairs / pairs.sum(dim=0)).T

    def sample(self, count: int, world: World = "observational", seed: int = 0) -> Sample:
        """Draw from a world as its arrows say: z, then f given z, then y given both.

        Args:
            count: n, 1 or more.
            world: how F comes about.
            seed: the same seed gives the same draws.
        """
        if count < 1:
            raise ConfigurationError(f"sample: expected a count of at least 1, found {count}")
        generator = torch.Generator().manual_seed(seed)
        z = torch.multinomial(self.prior, count, True, generator=generator)
        f = _draw(self.feature_given_confounder(world)[z], generator)
        return Sample(z, f, _draw(self.outcome[f, z], generator))

    def regions(self) -> Regions:
        """Return every feature once, as the regions (1, L, d) of one image."""
        return Regions(self.features[None], torch.arange(len(self.features))[None])

    def dictionary(self) -> Confounders:
        """Return the confounders with the prior that holds."""
        names = tuple(f"z{m}" for m in range(len(self.prior)))
        return Confounders(self.confounders, self.prior, names)


def random_scm(
    seed: int = 0,
    *,
    num_confounders: int = 3,
    num_features: int = 3,
    num_outcomes: int = 2,
    strength: float = 0.8,
    effect: float = 2.0,
    dim: int = 8,
) -> DiscreteSCM:
    """Draw a world: log-odds of the outcome are the sum of a part of f, of z, and of both.

    Args:
        seed: of everything that is drawn.
        num_confounders: M
        num_features: L; confounder m goes with feature m modulo L.
        num_outcomes: K
        strength: s, the dial.
        effect: standard deviation of each part of the log-odds.
        dim: d
    """
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    of_f = normal(num_features, 1, num_outcomes)
    of_z = normal(1, num_confounders, num_outcomes)
    of_both = normal(num_features, num_confounders, num_outcomes)
    return DiscreteSCM(
        prior=normal(num_confounders).mul(0.5).softmax(dim=0),
        base=normal(num_features).mul(0.5).softmax(dim=0),
        preferred=tuple(m % num_features for m in range(num_confounders)),
        strength=strength,
        outcome=(effect * (of_f + of_z + of_both)).softmax(dim=-1),
        features=normal(num_features, dim),
        confounders=torch.nn.functional.normalize(normal(num_confounders, dim), dim=-1),
    )


def _draw(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one index from each row of (n, categories)."""
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def _check(scm: DiscreteSCM) -> None:
    """Raise ConfigurationError for tables that cannot be a world."""
    m, n = len(scm.prior), len(scm.base)
    _distribution("prior", scm.prior, (m,), positive=True)
    _distribution("base", scm.base, (n,), positive=True)
    _distribution("outcome", scm.outcome, (n, m, scm.outcome.shape[-1]), positive=False)
    if len(scm.preferred) != m or not all(0 <= f < n for f in scm.preferred):
        raise ConfigurationError(
            f"SCM: expected `preferred` to name one of {n} features for each of {m} confounders, "
            f"found {scm.preferred}"
        )
    if not 0 <= scm.strength < 1:
        raise ConfigurationError(f"SCM: strength must lie in [0, 1), found {scm.strength}")
    width = scm.features.shape[-1]
    for name, vectors, count in [
        ("features", scm.features, n),
        ("confounders", scm.confounders, m),
    ]:
        if vectors.shape != (count, width):
            raise ConfigurationError(
                f"SCM: expected `{name}` as ({count}, {width}) vectors, all of one width, "
                f"found {tuple(vectors.shape)}"
            )


def _distribution(name: str, table: Tensor, shape: tuple[int, ...], *, positive: bool) -> None:
    sums_to_one = table.shape == shape and torch.allclose(
        table.sum(dim=-1), table.new_ones(shape[:-1]), atol=1e-9
    )
    if not sums_to_one or table.dtype != torch.float64 or bool((table < 0).any()):
        raise ConfigurationError(
            f"SCM: expected `{name}` as float64 probabilities of shape {shape} that sum to one, "
            f"found {table.dtype} of shape {tuple(table.shape)}"
        )
    if positive and bool((table == 0).any()):
        raise ConfigurationError(f"SCM: expected every probability in `{name}` above 0")
