"""A mediator: left alone it does no harm, adjusted for it takes the effect away."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError
from deconfound.simulation.scm import MediatedSCM, random_scm
from deconfound.testing.scm_strategies import mediated_scms

KINDS = ("observational", "interventional", "reversed")


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-10)


@given(scm=mediated_scms())
def test_the_total_effect_is_its_sum_by_hand(scm) -> None:
    """Σ_z P(z) Σ_w P(w|f,z) P(y|f,z,w)."""
    joint = scm.joint("interventional")
    m, n, w, k = joint.shape
    expected = torch.zeros(n, k, dtype=torch.float64)
    for f in range(n):
        for z in range(m):
            pairs = scm.pairs.outcome[f, z].view(w, k)
            for row in pairs:
                expected[f] += scm.pairs.prior[z] * row.sum() * (row / row.sum())
    close(scm.outcome_under_do(), expected)
    by_feature = joint.sum(dim=(0, 2))
    close(scm.outcome_under_do(), by_feature / by_feature.sum(dim=1, keepdim=True))


@given(scm=mediated_scms(), world=st.sampled_from(KINDS))
def test_left_alone_the_world_is_a_triangle(scm, world) -> None:
    close(scm.triangle().joint(world), scm.joint(world).sum(dim=2))
    close(scm.joint(world).sum(dim=(1, 2, 3)), scm.pairs.prior)


@given(scm=mediated_scms(), world=st.sampled_from(KINDS))
def test_the_wrong_sum_is_what_a_regression_on_both_gives(scm, world) -> None:
    """Σ_{z,w} P(z,w) P(y|f,z,w), every factor read off the joint."""
    joint = scm.joint(world)
    given_all = joint / joint.sum(dim=3, keepdim=True)
    weights = joint.sum(dim=(1, 3))
    expected = (weights[:, None, :, None] * given_all).sum(dim=(0, 2))
    close(scm.outcome_adjusted_for_mediator(world), expected)


@given(scm=mediated_scms(), world=st.sampled_from(KINDS))
def test_what_the_feature_does_not_move_may_be_adjusted_for(scm, world) -> None:
    """With P(w|f,z) = P(w|z) W is no mediator, and the two sums agree."""
    outcomes = scm.pairs.outcome.unflatten(2, (scm.num_mediators, -1))
    given_w = outcomes / outcomes.sum(dim=3, keepdim=True)
    still = (outcomes.sum(dim=3)[:1, ..., None] * given_w).flatten(2)
    scm = MediatedSCM(replace(scm.pairs, outcome=still), scm.num_mediators)
    close(scm.outcome_adjusted_for_mediator(world), scm.outcome_under_do())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("strength", [0.0, 0.8])
def test_adjusting_for_a_mediator_is_biased_with_confounding_and_without(seed, strength) -> None:
    """From samples: the backdoor over z converges to P(Y|do(F)), over (z, w) to something else."""
    scm = MediatedSCM(random_scm(seed, num_outcomes=4, strength=strength), 2)
    drawn, shape = scm.sample(400_000, seed=seed), scm.joint().shape
    m, n, w, k = shape
    flat = ((drawn.z * n + drawn.f) * w + drawn.w) * k + drawn.y
    counts = torch.bincount(flat, minlength=m * n * w * k).view(shape).double() + 1e-9
    without_w = counts.sum(dim=2)
    prior = without_w.sum(dim=(1, 2)) / counts.sum()
    right = torch.einsum("m,mlk->lk", prior, without_w / without_w.sum(dim=2, keepdim=True))
    truth = scm.outcome_under_do()
    assert (right - truth).abs().max() < 0.02
    both = counts.sum(dim=(1, 3)) / counts.sum()
    wrong = torch.einsum("mw,mlwk->lk", both, counts / counts.sum(dim=3, keepdim=True))
    assert (wrong - truth).abs().max() > 0.05
    assert (wrong - scm.outcome_adjusted_for_mediator()).abs().max() < 0.05


def test_what_cannot_be_a_world() -> None:
    with pytest.raises(ConfigurationError, match="divide 4 pairs, found 3"):
        MediatedSCM(random_scm(num_outcomes=4), 3)
    never = torch.tensor([0.5, 0.5, 0.0, 0.0]).double().expand(3, 3, 4)
    with pytest.raises(ConfigurationError, match="above 0, found 0"):
        MediatedSCM(replace(random_scm(num_outcomes=4), outcome=never), 2)
