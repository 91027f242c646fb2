"""The prior of unlabelled pictures: EM against other optimisers, and in the limit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from scipy.optimize import minimize

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.estimators.weighting import shift_prior
from deconfound.testing.scm_strategies import scms
from deconfound.testing.strategies import generator, seeds


def soft(seed: int, count: int, num_confounders: int) -> torch.Tensor:
    raw = torch.randn(count, num_confounders, generator=generator(seed), dtype=torch.float64)
    return (2 * raw).softmax(dim=1)


@settings(max_examples=10)
@given(seed=seeds)
def test_it_is_the_prior_of_highest_likelihood(seed) -> None:
    """Oracle: scipy, over the logarithms of the prior."""
    posterior, old = soft(seed, 60, 3), torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)

    def surprise(logits) -> float:
        new = torch.tensor(logits).softmax(dim=0)
        return -(posterior / old @ new).log().mean().item()

    best = minimize(surprise, old.log().numpy(), method="BFGS").fun
    _, found = shift_prior(posterior, old, tolerance=1e-10)
    assert surprise(found.log().numpy()) <= best + 1e-7


@given(seed=seeds)
def test_the_two_that_come_back_agree(seed) -> None:
    posterior, prior = shift_prior(soft(seed, 30, 4), torch.full((4,), 0.25))
    torch.testing.assert_close(posterior.mean(dim=0), prior, atol=1e-5, rtol=0)
    torch.testing.assert_close(posterior.sum(dim=1), torch.ones(30, dtype=torch.float64))


@given(scm=scms(least=2))
def test_a_calibrated_reading_at_home_stays_as_it_is(scm) -> None:
    """P(z|f, y), each pair as often as it occurs: there is nothing to adapt to."""
    joint = (scm.joint() * 2000).round().clamp(min=1).long()  # (M, L, K) counts
    pairs = joint.flatten(1).T.double()
    posterior = pairs / pairs.sum(dim=1, keepdim=True)
    rows = posterior.repeat_interleave(pairs.sum(dim=1).long(), dim=0)
    prior = rows.mean(dim=0)
    adapted, new = shift_prior(rows, prior)
    torch.testing.assert_close(new, prior)
    torch.testing.assert_close(adapted, rows)


def test_another_hospital_is_found() -> None:
    """Pictures x ~ N(z, 1), read with a prior of a half, where z = 1 is one in ten."""
    g = generator(0)
    z = (torch.rand(50_000, generator=g) < 0.1).double()
    x = z + torch.randn(50_000, generator=g)
    posterior = torch.stack([0.5 - x, x - 0.5], dim=1).div(2).softmax(dim=1)
    adapted, prior = shift_prior(posterior, torch.full((2,), 0.5))
    assert posterior[:, 1].mean() > 0.25
    assert prior[1].item() == pytest.approx(0.1, abs=0.015)
    truth = torch.sigmoid(x - 0.5 + torch.tensor(0.1 / 0.9).log()).double()
    assert (adapted[:, 1] - truth).abs().mean() < 0.01


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="prior shift"):
        shift_prior(torch.ones(3, 2), torch.ones(3) / 3)
    with pytest.raises(ConfigurationError, match="positive prior"):
        shift_prior(torch.ones(3, 2) / 2, torch.tensor([1.0, 0.0]))
    with pytest.raises(ConfigurationError, match="0 pictures"):
        shift_prior(torch.ones(0, 2), torch.tensor([0.5, 0.5]))
