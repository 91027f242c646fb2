"""Attention against the prior: zero where it is repeated, one where a single voice is heard."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from deconfound.diagnostics import attention_divergence
from deconfound.errors import ShapeError
from deconfound.testing.strategies import confounders, seeds


def some_weights(count: int, seed: int, zeros: bool = False) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    raw = torch.rand(2, 3, count, generator=g, dtype=torch.float64) + (0 if zeros else 0.01)
    return raw / raw.sum(dim=-1, keepdim=True)


@given(z=confounders(), seed=seeds)
def test_it_is_the_kullback_leibler_divergence_of_scipy(z, seed) -> None:
    weights = some_weights(len(z.names), seed)
    found = attention_divergence(weights, z.prior)
    prior = z.prior.double().numpy()
    expected = entropy(weights.numpy(), prior / prior.sum(), axis=-1)
    unit = math.log(len(z.names)) or 1.0
    torch.testing.assert_close(
        found.per_region, torch.as_tensor(expected / unit), atol=1e-6, rtol=1e-6
    )
    assert found.mean == pytest.approx(found.per_region.mean().item())
    torch.testing.assert_close(found.weights, weights.mean(dim=(0, 1)))


@given(z=confounders())
def test_weights_that_are_the_prior_have_none(z) -> None:
    weights = z.prior.expand(2, 4, -1)
    assert attention_divergence(weights, z.prior).per_region.abs().max() == 0


@given(count=st.integers(2, 12), chosen=st.integers(0, 1))
def test_a_single_voice_against_a_uniform_prior_is_one(count, chosen) -> None:
    weights = torch.zeros(1, 2, count)
    weights[..., chosen] = 1
    found = attention_divergence(weights, torch.full((count,), 1 / count))
    assert found.mean == pytest.approx(1, abs=1e-6)


@given(count=st.integers(2, 8), seed=seeds, share=st.floats(0, 1))
def test_moving_towards_the_prior_never_increases_it(count, seed, share) -> None:
    weights, prior = some_weights(count, seed), torch.full((count,), 1 / count).double()
    nearer = share * weights + (1 - share) * prior
    before, after = attention_divergence(weights, prior), attention_divergence(nearer, prior)
    assert (after.per_region <= before.per_region + 1e-12).all()


def test_weight_without_a_prior_is_infinite_and_a_zero_weight_is_not() -> None:
    weights, prior = torch.tensor([[[0.5, 0.5]]]), torch.tensor([1.0, 0.0])
    assert attention_divergence(weights, prior).mean == float("inf")
    assert attention_divergence(prior.expand(1, 1, 2), prior).mean == 0


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError, match=r"expected weights \(B, N, M\) and a prior \(M,\)"):
        attention_divergence(torch.ones(2, 3), torch.ones(3) / 3)
