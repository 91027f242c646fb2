"""Temperature and bias: the maximum of the likelihood, found again where they are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torchmetrics.functional.classification import multiclass_calibration_error

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.estimators.weighting import calibrate, expected_calibration_error, to_posterior
from deconfound.estimators.weighting.calibration import COLDEST, HOTTEST
from deconfound.testing.strategies import generator, seeds


def drawn(
    seed: int, count: int, num_confounders: int, temperature: float = 0.2, bias: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scores, labels that follow P(z|x) ∝ exp(s/T + b), and b."""
    g = generator(seed)
    scores = torch.rand(count, num_confounders, generator=g, dtype=torch.float64) * 2 - 1
    b = bias * torch.randn(num_confounders, generator=g, dtype=torch.float64)
    labels = torch.multinomial((scores / temperature + b).softmax(dim=1), 1, generator=g)[:, 0]
    labels[:num_confounders] = torch.arange(num_confounders)  # each occurs
    return scores, labels, b


@settings(max_examples=10)
@given(seed=seeds)
def test_two_confounders_are_a_logistic_regression(seed) -> None:
    """Oracle: scikit-learn, on the difference of the two scores, without penalty."""
    scores, labels, _ = drawn(seed, 400, 2)
    found = calibrate(scores, labels)
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000)
    oracle.fit((scores[:, 1:] - scores[:, :1]).numpy(), labels.numpy())
    prior = torch.bincount(labels).double() / len(labels)
    assert 1 / found.temperature == pytest.approx(oracle.coef_.item(), rel=1e-3)
    assert (found.bias + prior.log()).diff().item() == pytest.approx(
        oracle.intercept_.item(), abs=1e-3
    )


@settings(max_examples=10)
@given(seed=seeds, count=st.integers(2, 6))
def test_no_other_calibration_is_more_likely(seed, count) -> None:
    scores, labels, _ = drawn(seed, 200, count)
    prior = torch.bincount(labels).double() / len(labels)

    def surprise(temperature: float, bias: torch.Tensor) -> float:
        return F.nll_loss(to_posterior(scores, prior, temperature, bias).log(), labels).item()

    best, g = calibrate(scores, labels), generator(seed)
    least = surprise(best.temperature, best.bias)
    for size in (1e-3, 0.1, 1.0):
        aside = size * torch.randn(count + 1, generator=g, dtype=torch.float64)
        warmer = best.temperature * aside[0].exp().item()
        assert surprise(warmer, best.bias + aside[1:]) >= least - 1e-9


def test_what_drew_the_labels_is_found_again() -> None:
    scores, labels, bias = drawn(5, 100_000, 4)
    prior = torch.bincount(labels).double() / len(labels)
    found = calibrate(scores, labels, temperature=0.01)
    assert found.temperature == pytest.approx(0.2, rel=0.03)
    own = bias - prior.log()  # the labels' frequencies are no part of the bias
    torch.testing.assert_close(found.bias, own - own.mean(), atol=0.06, rtol=0)
    assert found.error_after < 0.01 < 0.05 < found.error_before


@settings(max_examples=10)
@given(seed=seeds, unit=st.sampled_from([1e-2, 0.1, 10]))
def test_the_unit_of_scores_is_that_of_the_temperature(seed, unit) -> None:
    scores, labels, _ = drawn(seed, 200, 4)
    one, other = calibrate(scores, labels), calibrate(unit * scores, labels)
    assert other.temperature == pytest.approx(unit * one.temperature, rel=1e-3)
    torch.testing.assert_close(other.bias, one.bias, atol=1e-3, rtol=1e-3)


def test_scores_at_the_limits_stay_in_range() -> None:
    labels = torch.arange(3).repeat(20)
    perfect = F.one_hot(labels, 3).double()
    assert calibrate(perfect, labels).error_after < 1e-6
    assert calibrate(perfect, labels).temperature >= COLDEST
    opposite = calibrate(-perfect, labels)
    assert opposite.temperature == pytest.approx(HOTTEST)
    read = to_posterior(-perfect, torch.ones(3) / 3, opposite.temperature, opposite.bias)
    torch.testing.assert_close(read, torch.full_like(read, 1 / 3), atol=1e-3, rtol=0)


@given(seed=seeds, count=st.integers(2, 6), bins=st.integers(1, 20))
def test_calibration_error_is_that_of_torchmetrics(seed, count, bins) -> None:
    scores, labels, _ = drawn(seed, 60, count)
    posterior = scores.float().softmax(dim=1)
    oracle = multiclass_calibration_error(posterior, labels, count, n_bins=bins)
    assert expected_calibration_error(posterior, labels, bins) == pytest.approx(
        oracle.item(), abs=1e-5
    )


def test_a_confounder_without_a_picture_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="every label from 0 to 2"):
        calibrate(torch.rand(4, 3), torch.tensor([0, 0, 1, 1]))
    with pytest.raises(ShapeError, match="n labels"):
        calibrate(torch.rand(4, 3), torch.tensor([0, 1, 2]))
