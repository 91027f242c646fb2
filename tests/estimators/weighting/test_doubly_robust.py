"""Doubly robust: right if either half is right, wrong if neither is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.estimators.weighting import (
    balancing_weights,
    doubly_robust,
    regress_outcome,
    weighted_outcome,
)
from deconfound.simulation import random_scm
from deconfound.testing.scm_strategies import scms
from deconfound.testing.strategies import generator, seeds
from tests.estimators.weighting.worlds import one_hot, population

TIGHT = {"atol": 1e-9, "rtol": 0}


def adjusted(world, outcome: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return doubly_robust(outcome, world.scm.prior, world.z, world.y, world.f, weights)


@given(scm=scms(), seed=seeds)
def test_any_outcome_model_will_do_with_the_right_weights(scm, seed) -> None:
    world = population(scm)
    wrong = torch.randn(scm.outcome.shape, generator=generator(seed), dtype=torch.float64)
    found = adjusted(world, wrong, world.balanced)
    torch.testing.assert_close(found, scm.outcome_under_do(), **TIGHT)


@given(scm=scms(), seed=seeds)
def test_any_weights_of_f_and_z_will_do_with_the_right_outcome_model(scm, seed) -> None:
    world = population(scm)
    shape = (len(scm.prior), len(scm.base))
    wrong = torch.rand(shape, generator=generator(seed), dtype=torch.float64) + 0.1
    found = adjusted(world, scm.outcome, world.mass * wrong[world.z.argmax(dim=1), world.f])
    torch.testing.assert_close(found, scm.outcome_under_do(), **TIGHT)


@pytest.mark.parametrize("seed", range(5))
def test_with_both_wrong_it_is_wrong(seed) -> None:
    scm = random_scm(seed)
    world = population(scm)
    blind = scm.outcome_observed()[:, None].expand_as(scm.outcome)  # knows nothing of z
    found = adjusted(world, blind, world.mass)
    assert (found - scm.outcome_under_do()).abs().max() > 0.05


@given(scm=scms(), seed=seeds, strength=st.floats(0, 0.99))
def test_plain_formula(scm, seed, strength) -> None:
    """Against the sum written out, one feature and one row at a time."""
    world, g = population(scm), generator(seed)
    outcome = torch.rand(scm.outcome.shape, generator=g, dtype=torch.float64)
    weights = torch.rand(len(world.f), generator=g, dtype=torch.float64) + 0.01
    found = adjusted(world, outcome, weights)
    z = world.z.argmax(dim=1).tolist()
    for f in range(len(scm.base)):
        rows = [i for i in range(len(z)) if world.f[i] == f]
        by_model = sum(scm.prior[m] * outcome[f, m] for m in range(len(scm.prior)))
        errors = sum(weights[i] * (world.y[i] - outcome[f, z[i]]) for i in rows)
        expected = by_model + errors / sum(weights[i] for i in rows)
        torch.testing.assert_close(found[f], expected, **TIGHT)


@given(scm=scms())
def test_an_outcome_model_of_zero_is_weighting_alone(scm) -> None:
    world = population(scm)
    alone = weighted_outcome(world.y, world.f, world.balanced, len(scm.base))
    torch.testing.assert_close(
        adjusted(world, torch.zeros_like(scm.outcome), world.balanced), alone, **TIGHT
    )


@pytest.mark.parametrize("seed", range(3))
def test_on_samples_either_half_repairs_the_other(seed) -> None:
    scm = random_scm(seed, strength=0.7, effect=1.5)
    s = scm.sample(300_000, seed=seed)
    z, y, truth = one_hot(s.z, 3), one_hot(s.y, 2), scm.outcome_under_do()
    right = balancing_weights(z, s.f, 3, clip=None).weights
    blind = scm.outcome_observed()[:, None].expand_as(scm.outcome)

    def error(outcome: torch.Tensor, weights: torch.Tensor) -> float:
        found = doubly_robust(outcome, z.mean(dim=0), z, y, s.f, weights)
        return (found - truth).abs().max().item()

    assert error(blind, right) < 0.01
    assert error(scm.outcome, torch.ones_like(right)) < 0.01
    assert error(blind, torch.ones_like(right)) > 0.05


def test_what_does_not_fit_is_refused() -> None:
    world = population(random_scm(0))
    with pytest.raises(ShapeError, match="expected an outcome model"):
        adjusted(world, world.scm.outcome[:, :2], world.mass)
    with pytest.raises(ShapeError, match="n weights"):
        adjusted(world, world.scm.outcome, world.mass[1:])
    with pytest.raises(ConfigurationError, match="classes from 0 to 1"):
        adjusted(world, world.scm.outcome[:2], world.mass)
    with pytest.raises(ConfigurationError, match="with a weight for each of 3 classes"):
        adjusted(world, world.scm.outcome, world.mass * (world.f > 0))


def test_it_takes_what_its_siblings_give() -> None:
    """A regression in double precision beside a reading in single."""
    world = population(random_scm(0))
    outcome = regress_outcome(world.y, world.z, world.f, world.mass, len(world.scm.base))
    args = (world.scm.prior, world.z, world.y)
    single = doubly_robust(outcome, *(arg.float() for arg in args), world.f, world.balanced.float())
    both = doubly_robust(outcome, *args, world.f, world.balanced)
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, both, atol=1e-5, rtol=0)
