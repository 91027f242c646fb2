"""Balancing weights: P(Y|do(F)) where z is known or well read, and nothing where it is not."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.estimators.weighting import (
    balancing_ratios,
    balancing_weights,
    effective_sample_size,
    weighted_outcome,
)
from deconfound.simulation import random_scm
from deconfound.testing.scm_strategies import scms
from deconfound.testing.strategies import generator, seeds
from tests.estimators.weighting.worlds import one_hot, population

TIGHT = {"atol": 1e-9, "rtol": 0}


def soft(seed: int, count: int, num_confounders: int) -> torch.Tensor:
    raw = torch.randn(count, num_confounders, generator=generator(seed), dtype=torch.float64)
    return (3 * raw).softmax(dim=1)


def classes(seed: int, count: int, num_classes: int, least: int = 0) -> torch.Tensor:
    return torch.randint(least, num_classes, (count,), generator=generator(seed + 1))


@given(scm=scms())
def test_weighted_regression_is_the_backdoor_sum(scm) -> None:
    world = population(scm)
    ratios = balancing_ratios(scm.joint().sum(dim=2).T)
    weights = world.mass * ratios[world.f, world.z.argmax(dim=1)]
    found = weighted_outcome(world.y, world.f, weights, len(scm.base))
    torch.testing.assert_close(found, scm.outcome_under_do(), **TIGHT)


@given(scm=scms(strength=st.floats(0.5, 0.99), least=2))
def test_unweighted_regression_is_not(scm) -> None:
    gap = (scm.outcome_observed() - scm.outcome_under_do()).abs().max()
    assume(gap > 1e-3)
    world = population(scm)
    found = weighted_outcome(world.y, world.f, world.mass, len(scm.base))
    torch.testing.assert_close(found, scm.outcome_observed(), **TIGHT)
    assert (found - scm.outcome_under_do()).abs().max() > 1e-3 - 1e-9


@given(scm=scms(strength=st.floats(0, 0.9), least=2))
def test_a_calibrated_reading_is_as_good_as_knowing_z(scm) -> None:
    """P(z|f, y) in place of z, over a population whose counts are whole numbers."""
    counts = (scm.joint() * 1000).ceil()  # (M, L, K): the world is what these say
    _, count, k = counts.shape
    copies = counts.sum(dim=0).flatten().long()
    f, y = torch.cartesian_prod(torch.arange(count), torch.arange(k)).T
    f, y = f.repeat_interleave(copies), y.repeat_interleave(copies)
    joint = counts / counts.sum()
    reading = (joint / joint.sum(dim=0))[:, f, y].T
    weights = balancing_weights(reading, f, count, clip=None).weights
    do = torch.einsum("m,mlk->lk", joint.sum(dim=(1, 2)), joint / joint.sum(dim=2, keepdim=True))
    torch.testing.assert_close(weighted_outcome(one_hot(y, k), f, weights, count), do, **TIGHT)


@given(seed=seeds, num_classes=st.integers(1, 4), num_confounders=st.integers(1, 4))
def test_a_reading_of_the_class_alone_adjusts_nothing(seed, num_classes, num_confounders) -> None:
    k = classes(seed, 50, num_classes)
    report = balancing_weights(soft(seed, num_classes, num_confounders)[k], k, num_classes)
    torch.testing.assert_close(report.weights, torch.ones(50, dtype=torch.float64))
    assert report.ess == pytest.approx(50)
    assert report.clipped_share == 0


@given(seed=seeds, num_confounders=st.integers(1, 4))
def test_every_class_keeps_its_share_and_z_is_balanced(seed, num_confounders) -> None:
    k, known = classes(seed, 300, 3, -1), classes(seed + 2, 300, num_confounders)
    for q in (soft(seed, 300, num_confounders), one_hot(known, num_confounders)):
        report = balancing_weights(q, k, 3, clip=None)
        assume(report.unseen == 0)
        for one in range(-1, 3):
            own = report.weights[k == one]
            assert own.sum().item() == pytest.approx(len(own))
    for one in range(-1, 3):  # with z known, it is distributed in each class as it is in all
        own = report.weights[k == one] @ q[k == one] / report.weights[k == one].sum()
        torch.testing.assert_close(own, q.mean(dim=0), **TIGHT)


@given(seed=seeds)
def test_given_the_site_each_site_is_weighed_by_itself(seed) -> None:
    q, k, site = soft(seed, 90, 3), classes(seed, 90, 2), classes(seed + 3, 90, 3)
    together = balancing_weights(q, k, 2, clip=None, site_index=site).weights
    for one in site.unique():
        here = site == one
        alone = balancing_weights(q[here], k[here], 2, clip=None).weights
        torch.testing.assert_close(together[here], alone, **TIGHT)


def test_a_habit_of_the_site_is_no_effect_of_z() -> None:
    """Each site has its own z and its own classes; given the site there is nothing to balance."""
    site = torch.arange(2).repeat_interleave(50)
    k = torch.tensor([0] * 40 + [1] * 10 + [0] * 10 + [1] * 40)
    q = one_hot(site, 2)
    assert balancing_weights(q, k, 2).largest > 2
    assert balancing_weights(q, k, 2, site_index=site).largest == pytest.approx(1)


@given(seed=seeds, clip=st.floats(1, 5), quantile=st.floats(0.1, 1))
def test_clipping_keeps_the_mean_and_gains_sample_size(seed, clip, quantile) -> None:
    q, k = soft(seed, 80, 4), classes(seed, 80, 3)
    free = balancing_weights(q, k, 3, clip=None)
    cut = balancing_weights(q, k, 3, clip, quantile=quantile)
    limit = min(clip, free.weights.quantile(quantile).item())
    expected = free.weights.clamp(max=limit)
    torch.testing.assert_close(cut.weights, expected / expected.mean(), **TIGHT)
    assert cut.weights.mean().item() == pytest.approx(1)
    assert cut.largest == cut.weights.max()
    assert cut.ess >= free.ess - 1e-9
    assert cut.clipped_share == pytest.approx((free.weights > limit).double().mean().item())


def test_what_never_occurs_together_is_told() -> None:
    q = one_hot(torch.tensor([0, 0, 1, 1]), 2)
    report = balancing_weights(q, torch.tensor([0, 0, 1, 1]), 2)
    assert report.unseen == pytest.approx(0.5)
    assert balancing_weights(q, torch.tensor([0, 1, 0, 1]), 2).unseen == 0


@given(seed=seeds, factor=st.floats(0.1, 10))
def test_effective_sample_size(seed, factor) -> None:
    """n where all weigh alike, the number of equals where the others weigh nothing."""
    w = torch.rand(20, generator=generator(seed)) + 0.01
    assert 1 <= effective_sample_size(w) <= 20 + 1e-6
    assert effective_sample_size(factor * w) == pytest.approx(effective_sample_size(w), rel=1e-5)
    assert effective_sample_size(torch.ones(20)) == pytest.approx(20)
    assert effective_sample_size(torch.tensor([0.0, 2, 2, 2])) == pytest.approx(3)


@pytest.mark.parametrize("seed", range(3))
def test_growing_samples_close_in_on_do_and_not_without_weights(seed) -> None:
    scm = random_scm(seed, strength=0.7, effect=1.5)
    errors, naive = [], []
    for count in (1_000, 300_000):
        s = scm.sample(count, seed=seed)
        w = balancing_weights(one_hot(s.z, 3), s.f, 3, clip=None).weights
        for estimates, weights in ((errors, w), (naive, torch.ones_like(w))):
            found = weighted_outcome(one_hot(s.y, 2), s.f, weights, 3)
            estimates.append((found - scm.outcome_under_do()).abs().max().item())
    assert errors[0] < 0.15
    assert errors[1] < 0.01
    assert min(naive) > 0.05


def test_what_does_not_fit_is_refused() -> None:
    q, k = torch.full((4, 2), 0.5), torch.tensor([0, 1, 0, 1])
    with pytest.raises(ShapeError, match="one class and one site"):
        balancing_weights(q, k[:3], 2)
    with pytest.raises(ShapeError, match="one class and one site"):
        balancing_weights(q, k, 2, site_index=k[:3])
    with pytest.raises(ShapeError, match="balancing weights"):
        balancing_weights(q[:0], k[:0], 2)
    with pytest.raises(ConfigurationError, match="sum to one"):
        balancing_weights(2 * q, k, 2)
    with pytest.raises(ConfigurationError, match="sum to one"):
        balancing_weights(q * torch.nan, k, 2)
    with pytest.raises(ConfigurationError, match="classes from -1 to 0"):
        balancing_weights(q, k, 1)
    with pytest.raises(ConfigurationError, match="clip must be"):
        balancing_weights(q, k, 2, clip=0.5)
    with pytest.raises(ConfigurationError, match="quantile must be"):
        balancing_weights(q, k, 2, quantile=0)
