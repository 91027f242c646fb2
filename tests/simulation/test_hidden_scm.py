"""A confounder that no dictionary names: what adjustment for the others leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError
from deconfound.simulation.scm import HiddenSCM, random_scm
from deconfound.testing.scm_strategies import hidden_scms, scms

KINDS = ("observational", "interventional", "reversed")


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-10)


@given(scm=hidden_scms(), world=st.sampled_from(KINDS))
def test_the_adjusted_outcome_is_its_sum_by_hand(scm, world) -> None:
    hidden, full = scm.num_hidden, scm.pairs.joint(world)
    expected = torch.zeros_like(scm.outcome_under_do())
    for z in range(len(full) // hidden):
        seen = sum(full[z * hidden + u] for u in range(hidden))
        prior = sum(scm.pairs.prior[z * hidden + u] for u in range(hidden))
        expected += prior * seen / seen.sum(dim=1, keepdim=True)
    close(scm.outcome_adjusted(world), expected)


@given(triangle=scms(), world=st.sampled_from(KINDS))
def test_one_hidden_value_hides_nothing(triangle, world) -> None:
    scm = HiddenSCM(triangle, 1)
    close(scm.outcome_adjusted(world), triangle.outcome_under_do())
    close(scm.joint(world), triangle.joint(world))


@given(scm=hidden_scms())
def test_where_the_feature_is_set_what_is_hidden_does_no_harm(scm) -> None:
    close(scm.outcome_adjusted("interventional"), scm.outcome_under_do())
    close(scm.with_strength(0).outcome_adjusted(), scm.outcome_under_do())


@given(scm=hidden_scms(), world=st.sampled_from(KINDS))
def test_a_hidden_cause_of_the_feature_alone_does_no_harm(scm, world) -> None:
    """It must move both F and Y: here Y follows the first u of every z, whatever u is."""
    first = torch.arange(len(scm.pairs.prior)) // scm.num_hidden * scm.num_hidden
    deaf = replace(scm.pairs, outcome=scm.pairs.outcome[:, first])
    blind = HiddenSCM(deaf, scm.num_hidden)
    close(blind.outcome_adjusted(world), blind.outcome_under_do())


@given(scm=hidden_scms())
def test_the_dictionary_names_what_is_seen(scm) -> None:
    z = scm.dictionary()
    close(z.prior, scm.joint().sum(dim=(1, 2)))
    close(z.prior @ z.embeddings, scm.pairs.prior @ scm.pairs.confounders)
    assert len(z.names) * scm.num_hidden == len(scm.pairs.prior)


@pytest.mark.parametrize("seed", range(3))
def test_adjusting_for_what_is_seen_converges_to_something_else(seed) -> None:
    scm = HiddenSCM(random_scm(seed, num_confounders=6), 2)
    drawn, (m, n, k) = scm.sample(200_000, seed=seed), scm.joint().shape
    counts = torch.bincount((drawn.z * n + drawn.f) * k + drawn.y, minlength=m * n * k)
    counts = counts.view(m, n, k).double()
    given_seen = counts / counts.sum(dim=2, keepdim=True)
    found = torch.einsum("m,mlk->lk", counts.sum(dim=(1, 2)) / counts.sum(), given_seen)
    assert (found - scm.outcome_adjusted()).abs().max() < 0.02
    assert (found - scm.outcome_under_do()).abs().max() > 0.05


@pytest.mark.parametrize("count", [0, 4])
def test_pairs_that_do_not_divide(count) -> None:
    with pytest.raises(ConfigurationError, match=f"divide 6 pairs, found {count}"):
        HiddenSCM(random_scm(num_confounders=6), count)
