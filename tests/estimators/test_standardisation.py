"""Regress under the picture's own confounder, then standardise: what each half repairs."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError
from deconfound.estimators import Enumeration, Estimator
from deconfound.estimators.standardisation import Standardisation
from deconfound.interventions import GatedMLPIntervention, InterventionLayer
from deconfound.simulation import DiscreteSCM, random_scm
from deconfound.testing import InterventionLayerContract
from deconfound.testing.strategies import confounders, regions
from deconfound.types import Confounders, Regions
from tests.estimators.weighting.worlds import Population, population

WORLDS = [random_scm(seed) for seed in range(4)]


class TestGatedMLPStandardisation(InterventionLayerContract):
    tolerance = 1e-4  # cosines are divided by T = 0.1, and their rounding with them

    def make(self, dim: int) -> InterventionLayer:
        return GatedMLPIntervention(dim, "standardisation")


def product(f: Regions, z: Confounders) -> torch.Tensor:
    return f.features[:, None] * z.embeddings[:, None]


@given(f=regions(), z=confounders(), temperature=st.floats(0.05, 10))
def test_in_training_a_picture_has_one_posterior_by_bayes_rule(f, z, temperature) -> None:
    weights = Standardisation(temperature).train()(product, f, z).weights
    mean = F.normalize(f.features, dim=-1).mean(dim=1)
    cosine = F.cosine_similarity(mean[:, None], z.embeddings[None], dim=-1)
    expected = z.prior * torch.exp(cosine / temperature)
    expected = expected / expected.sum(dim=-1, keepdim=True)
    torch.testing.assert_close(weights, expected[:, None].expand_as(weights), atol=1e-4, rtol=1e-3)


@given(f=regions(), z=confounders())
def test_in_evaluation_and_without_a_reading_it_is_enumeration(f, z) -> None:
    exact = Enumeration()(product, f, z).features
    assert torch.equal(Standardisation().eval()(product, f, z).features, exact)
    blind = Standardisation(float("inf")).train()(product, f, z).features
    torch.testing.assert_close(blind, exact, atol=1e-4, rtol=1e-4)


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="must be > 0, found 0"):
        Standardisation(0)


def probabilities(
    estimator: Estimator, world: Population, weights: torch.Tensor, additive: bool
) -> torch.Tensor:
    """P(Y = 1 | do(f)) of an outcome model that is trained through the estimator, (L,).

    A picture is one region that looks like its confounder; which feature it shows is its index. The
    model is linear in its coefficients, so the weighted least squares have a closed form.
    """
    z, of_f, of_z = world.scm.dictionary(), len(world.scm.base), len(world.scm.prior)
    pairs = torch.eye(of_f * of_z, dtype=torch.float64).view(of_f, of_z, of_f, of_z)
    bases = torch.cat([pairs.sum(dim=1), pairs.sum(dim=0)]) if additive else pairs.flatten(0, 1)

    def effects(table: torch.Tensor, f: Regions, _: Confounders) -> torch.Tensor:
        by_confounder = table[f.index].movedim(2, 1)  # (B, M, N)
        return by_confounder[..., None].expand(-1, -1, -1, z.embeddings.shape[1])

    def said(pictures: Regions, train: bool) -> torch.Tensor:
        columns = [estimator.train(train)(partial(effects, one), pictures, z) for one in bases]
        return torch.stack([column.features[:, 0, 0] for column in columns], dim=1)

    pictures = Regions(z.embeddings[world.z.argmax(dim=1)][:, None], world.f[:, None])
    root = weights.sqrt()[:, None]
    found = torch.linalg.pinv(root * said(pictures, train=True)) @ (root * world.y[:, 1:])
    asked = Regions(z.embeddings[:1].expand(of_f, 1, -1), torch.arange(of_f)[:, None])
    return (said(asked, train=False) @ found)[:, 0]


READ = Standardisation(temperature=1e-3)
"""Tells the confounders of these worlds apart without a doubt."""


@pytest.mark.parametrize("scm", WORLDS, ids=range(len(WORLDS)))
def test_the_right_model_needs_no_weights(scm: DiscreteSCM) -> None:
    world = population(scm)
    found = probabilities(READ, world, world.mass, additive=False)
    torch.testing.assert_close(found, scm.outcome_under_do()[:, 1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("scm", WORLDS, ids=range(len(WORLDS)))
def test_the_right_weights_need_no_right_model(scm: DiscreteSCM) -> None:
    world = population(scm)
    found = probabilities(READ, world, world.balanced, additive=True)
    torch.testing.assert_close(found, scm.outcome_under_do()[:, 1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("scm", WORLDS, ids=range(len(WORLDS)))
def test_one_of_them_has_to_be_right(scm: DiscreteSCM) -> None:
    world = population(scm)
    found = probabilities(READ, world, world.mass, additive=True)
    assert (found - scm.outcome_under_do()[:, 1]).abs().max() > 0.02


@pytest.mark.parametrize("scm", WORLDS, ids=range(len(WORLDS)))
def test_summed_over_the_prior_in_training_the_right_model_learns_what_is_observed(
    scm: DiscreteSCM,
) -> None:
    """Why enumeration is not enough: without weights it ends at P(Y|F)."""
    world = population(scm)
    found = probabilities(Enumeration(), world, world.mass, additive=False)
    torch.testing.assert_close(found, scm.outcome_observed()[:, 1], atol=1e-6, rtol=0)
    assert (found - scm.outcome_under_do()[:, 1]).abs().max() > 0.02
