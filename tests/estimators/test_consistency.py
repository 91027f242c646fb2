"""Every consistent estimator, from samples alone, closes in on P(Y|do(F)); regression does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from deconfound.estimators import Enumeration, Estimator, MonteCarlo
from deconfound.estimators.standardisation import Standardisation
from deconfound.estimators.weighting import (
    balancing_weights,
    doubly_robust,
    regress_outcome,
    weighted_outcome,
)
from deconfound.simulation import DiscreteSCM, random_scm
from deconfound.types import Confounders, Regions
from tests.estimators.weighting.worlds import one_hot

SIZES = (500, 5_000, 50_000, 200_000)
TOLERANCE = 0.01
"""What the largest sample may be off by, in the mean square over the features and worlds."""


@dataclass(frozen=True)
class Observed:
    """A sample, with z and y one-hot."""

    z: Tensor
    f: Tensor
    y: Tensor
    scm: DiscreteSCM

    @property
    def prior(self) -> Tensor:
        """P(z) as it is seen: nothing is taken from the world but its sizes."""
        return self.z.mean(dim=0)

    @property
    def weights(self) -> Tensor:
        return balancing_weights(self.z, self.f, len(self.scm.base), clip=None).weights

    @property
    def ones(self) -> Tensor:
        return torch.ones_like(self.f).double()

    def fitted(self, weights: Tensor, interactions: bool) -> Tensor:
        """Return A(f, z), (L, M, K).

        Rows that are alike are put together first; least squares cannot tell, and 200,000 rows
        become a few dozen.
        """
        features, confounders, outcomes = self.scm.outcome.shape
        cell = self.f * confounders + self.z.argmax(dim=1)
        mass = weights.new_zeros(features * confounders).index_add(0, cell, weights)
        sums = weights.new_zeros(len(mass), outcomes).index_add(0, cell, weights[:, None] * self.y)
        f, z = torch.cartesian_prod(torch.arange(features), torch.arange(confounders)).T
        y = sums / mass.clamp(min=1e-12)[:, None]
        return regress_outcome(
            y, one_hot(z, confounders), f, mass, features, interactions=interactions
        )


def under_do(found: Observed, outcome: Tensor) -> Tensor:
    return torch.einsum("m,kmc->kc", found.prior, outcome)


def by_layer(estimator: Estimator, found: Observed) -> Tensor:
    """Hand a regressed outcome model to an estimator of Σ_z P(z) A(f, z), and ask it."""
    outcome = found.fitted(found.ones, True)

    def effects(regions: Regions, confounders: Confounders) -> Tensor:
        rows = confounders.embeddings[:, 0].long()
        return outcome[regions.index][:, :, rows].transpose(1, 2)

    count, confounders, width = outcome.shape
    names = tuple(str(m) for m in range(confounders))
    numbered = torch.arange(confounders)[:, None].expand(-1, width).double()
    z = Confounders(numbered, found.prior, names)
    index = torch.arange(count)[None]
    asked = Regions(torch.zeros(1, count, width).double(), index)
    return estimator.eval()(effects, asked, z).features[0]


def weighting(found: Observed) -> Tensor:
    return weighted_outcome(found.y, found.f, found.weights, len(found.scm.base))


def robust_by_weights(found: Observed) -> Tensor:
    """Doubly robust with an outcome model that knows nothing of z."""
    plain = regression(found)[:, None].expand_as(found.scm.outcome)
    return doubly_robust(plain, found.prior, found.z, found.y, found.f, found.weights)


def robust_by_outcome(found: Observed) -> Tensor:
    """Doubly robust with weights of one."""
    outcome = found.fitted(found.ones, True)
    return doubly_robust(outcome, found.prior, found.z, found.y, found.f, found.ones)


def regression(found: Observed) -> Tensor:
    return weighted_outcome(found.y, found.f, found.ones, len(found.scm.base))


CONSISTENT: dict[str, Callable[[Observed], Tensor]] = {
    "enumeration": lambda found: by_layer(Enumeration(), found),
    "standardisation": lambda found: by_layer(Standardisation(), found),
    "monte_carlo": lambda found: by_layer(MonteCarlo(len(found.f), seed=0), found),
    "weighting": weighting,
    "doubly_robust, right weights": robust_by_weights,
    "doubly_robust, right outcome model": robust_by_outcome,
    "regress_outcome, right form": lambda found: under_do(found, found.fitted(found.ones, True)),
    "regress_outcome, right weights": lambda found: under_do(
        found, found.fitted(found.weights, False)
    ),
}
INCONSISTENT: dict[str, Callable[[Observed], Tensor]] = {
    "regression": regression,
    "regress_outcome, neither": lambda found: under_do(found, found.fitted(found.ones, False)),
}


@cache
def worlds() -> tuple[DiscreteSCM, ...]:
    """Return the first eight worlds of several sizes in which adjusting matters."""
    found: list[DiscreteSCM] = []
    seed = 0
    while len(found) < 8:
        sizes = {"num_confounders": 2 + seed % 3, "num_features": 2 + seed % 2}
        scm = random_scm(seed, strength=0.7, effect=1.5, num_outcomes=2 + seed % 2, **sizes)
        if (scm.outcome_observed() - scm.outcome_under_do()).abs().max() > 0.05:
            found.append(scm)
        seed += 1
    return tuple(found)


@cache
def sampled(world: int, size: int) -> Observed:
    scm = worlds()[world]
    drawn = scm.sample(size, seed=100 + world)
    _, confounders, outcomes = scm.outcome.shape
    return Observed(one_hot(drawn.z, confounders), drawn.f, one_hot(drawn.y, outcomes), scm)


def errors(estimator: Callable[[Observed], Tensor], size: int) -> Tensor:
    """Return the root mean square error in each world."""
    found = [
        (estimator(sampled(w, size)) - scm.outcome_under_do()).square().mean().sqrt()
        for w, scm in enumerate(worlds())
    ]
    return torch.stack(found)


@pytest.mark.parametrize("name", CONSISTENT)
def test_with_growing_samples_the_error_goes_to_zero(name) -> None:
    """From 500 to 200,000 it shrinks at every step, and all in all as 1/√n would have it."""
    by_world = [errors(CONSISTENT[name], size) for size in SIZES]
    off = [each.square().mean().sqrt().item() for each in by_world]
    assert all(later < earlier for earlier, later in pairwise(off)), off
    assert off[-1] < off[0] / 10, off  # 1/√400 is a twentieth
    assert by_world[-1].max() < TOLERANCE


@pytest.mark.parametrize("name", INCONSISTENT)
def test_no_sample_is_large_enough_without_adjustment(name) -> None:
    """In every world, at every size: outside of the tolerance, and no nearer at the end."""
    off = [errors(INCONSISTENT[name], size) for size in SIZES]
    assert all((one > TOLERANCE).all() for one in off[1:]), off
    assert off[-1].mean() > off[0].mean() / 2
