"""Weighted outcome regression: right if its form or its weights are, wrong if neither is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from sklearn.linear_model import LinearRegression

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.estimators.weighting import doubly_robust, regress_outcome
from deconfound.simulation import random_scm
from deconfound.testing.scm_strategies import scms
from deconfound.testing.strategies import generator, seeds
from tests.estimators.weighting.worlds import Population, population

TIGHT = {"atol": 1e-7, "rtol": 0}


def regressed(world: Population, weights: torch.Tensor, interactions: bool) -> torch.Tensor:
    count = len(world.scm.base)
    return regress_outcome(world.y, world.z, world.f, weights, count, interactions=interactions)


def under_do(world: Population, outcome: torch.Tensor) -> torch.Tensor:
    return torch.einsum("m,kmc->kc", world.scm.prior, outcome)


@given(scm=scms(), seed=seeds)
def test_the_right_form_will_do_under_any_weights_of_f_and_z(scm, seed) -> None:
    world = population(scm)
    shape = (len(scm.prior), len(scm.base))
    wrong = torch.rand(shape, generator=generator(seed), dtype=torch.float64) + 0.1
    found = regressed(world, world.mass * wrong[world.z.argmax(dim=1), world.f], True)
    torch.testing.assert_close(found, scm.outcome, **TIGHT)


@given(scm=scms())
def test_the_right_weights_will_do_for_a_form_that_is_wrong(scm) -> None:
    world = population(scm)
    additive = regressed(world, world.balanced, False)
    torch.testing.assert_close(under_do(world, additive), scm.outcome_under_do(), **TIGHT)


@pytest.mark.parametrize("seed", range(5))
def test_with_both_wrong_it_is_wrong(seed) -> None:
    scm = random_scm(seed)
    world = population(scm)
    found = under_do(world, regressed(world, world.mass, False))
    assert (found - scm.outcome_under_do()).abs().max() > 0.02
    assert (regressed(world, world.balanced, False) - scm.outcome).abs().max() > 0.1  # truly wrong


@given(scm=scms(), seed=seeds)
def test_standardised_it_is_the_doubly_robust_estimate(scm, seed) -> None:
    """Whatever the weights, and however little is known of z."""
    world, g = population(scm), generator(seed)
    weights = torch.rand(len(world.f), generator=g, dtype=torch.float64) + 0.01
    soft = (world.z + torch.rand(world.z.shape, generator=g, dtype=torch.float64)).softmax(dim=1)
    for interactions in (True, False):
        outcome = regress_outcome(
            world.y, soft, world.f, weights, len(scm.base), interactions=interactions
        )
        robust = doubly_robust(outcome, scm.prior, soft, world.y, world.f, weights)
        torch.testing.assert_close(robust, under_do(world, outcome), **TIGHT)


@given(scm=scms(), seed=seeds)
def test_it_is_the_regression_of_scikit_learn(scm, seed) -> None:
    world = population(scm)
    weights = torch.rand(len(world.f), generator=generator(seed), dtype=torch.float64) + 0.01
    one_hot = torch.nn.functional.one_hot(world.f, len(scm.base)).double()
    terms = torch.cat([one_hot, world.z], dim=1)
    oracle = LinearRegression(fit_intercept=False)
    oracle.fit(terms.numpy(), world.y.numpy(), weights.numpy())
    found = regressed(world, weights, False)[world.f, world.z.argmax(dim=1)]
    torch.testing.assert_close(found, torch.from_numpy(oracle.predict(terms.numpy())), **TIGHT)


def test_what_does_not_fit_is_refused() -> None:
    world = population(random_scm(0))
    with pytest.raises(ShapeError, match="n classes and n weights"):
        regressed(world, world.mass[1:], True)
    with pytest.raises(ConfigurationError, match="classes from 0 to 1"):
        regress_outcome(world.y, world.z, world.f, world.mass, 2)
