"""P(z|x) as read: Bayes' rule over cosines, and its limits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.special import softmax

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.estimators.weighting import read_posterior, read_scores
from deconfound.testing.strategies import DIM, confounders, generator, seeds
from deconfound.types import Confounders


def pictures(seed: int, count: int = 5) -> torch.Tensor:
    return 7 * torch.randn(count, DIM, generator=generator(seed))


@given(z=confounders(), seed=seeds, temperature=st.floats(0.01, 10))
def test_reading_is_bayes_rule_over_cosines(z, seed, temperature) -> None:
    """Oracle: scipy's cosine distance and softmax, with likelihood exp(cos/T + b)."""
    x, bias = pictures(seed), torch.randn(len(z.names), generator=generator(seed))
    cosines = 1 - cdist(x.double().numpy(), z.embeddings.double().numpy(), "cosine")
    evidence = cosines / temperature + bias.numpy() + z.prior.log().numpy()
    found = read_posterior(x, z, temperature, bias)
    torch.testing.assert_close(found.double(), torch.from_numpy(softmax(evidence, 1)), **LOOSE)


LOOSE = {"atol": 1e-4, "rtol": 1e-3}  # float32 cosines over a temperature of 0.01


@given(z=confounders(), seed=seeds)
def test_at_infinite_temperature_the_prior_is_read(z, seed) -> None:
    found = read_posterior(pictures(seed), z, float("inf"))
    torch.testing.assert_close(found, z.prior.expand_as(found))


@given(z=confounders(), seed=seeds)
def test_a_cold_reading_picks_the_nearest(z, seed) -> None:
    x = pictures(seed)
    assert torch.equal(read_posterior(x, z, 1e-5).argmax(dim=1), read_scores(x, z).argmax(dim=1))


def test_what_never_occurs_is_never_read() -> None:
    z = Confounders(torch.eye(3), torch.tensor([0.5, 0.5, 0.0]), ("a", "b", "c"))
    assert read_posterior(torch.eye(3), z, 0.1)[:, 2].tolist() == [0, 0, 0]


def test_what_does_not_fit_is_refused() -> None:
    z = Confounders(torch.eye(3), torch.full((3,), 1 / 3), ("a", "b", "c"))
    with pytest.raises(ShapeError, match=r"expected image embeddings \(n, 3\)"):
        read_posterior(torch.ones(2, 4), z, 0.1)
    with pytest.raises(ShapeError, match="one bias for each of 3"):
        read_posterior(torch.ones(2, 3), z, 0.1, torch.zeros(2))
    with pytest.raises(ConfigurationError, match="temperature must be > 0"):
        read_posterior(torch.ones(2, 3), z, 0)
