"""The interval: against scipy's bootstrap, its coverage, and the verdicts that follow from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from deconfound.diagnostics.refuters.claims import finding, verdict
from deconfound.diagnostics.refuters.interval import Interval, interval
from deconfound.errors import ConfigurationError, ShapeError


def test_with_one_seed_it_is_the_bootstrap_of_scipy() -> None:
    values = torch.randn(200, generator=torch.Generator().manual_seed(1)).double().exp()
    ours = interval(values[None], torch.arange(200), replicates=4000)
    theirs = bootstrap(
        (values.numpy(),), np.mean, n_resamples=4000, method="percentile", rng=0
    ).confidence_interval
    assert ours.effect == pytest.approx(values.mean().item())
    assert ours.low == pytest.approx(theirs.low, abs=0.03)
    assert ours.high == pytest.approx(theirs.high, abs=0.03)


def test_frames_of_one_patient_count_as_one() -> None:
    """Every value repeated ten times within its patient: the interval stays as wide."""
    values = torch.randn(40, generator=torch.Generator().manual_seed(2))
    once = interval(values[None], torch.arange(40))
    tenfold = interval(values.repeat_interleave(10)[None], torch.arange(40).repeat_interleave(10))
    assert tenfold == pytest.approx(once)
    apart = interval(values.repeat_interleave(10)[None], torch.arange(400))
    assert apart.high - apart.low < 0.5 * (once.high - once.low)


def test_it_covers_the_mean_with_seeds_and_units_both_random() -> None:
    """Rows and columns each bring an effect of their own; the grand mean is 0."""
    g, covered = torch.Generator().manual_seed(3), 0
    for _ in range(100):
        rows = torch.randn(12, 1, generator=g) * 0.3
        changes = rows + torch.randn(1, 60, generator=g) + torch.randn(12, 60, generator=g)
        found = interval(changes, torch.arange(60), replicates=300)
        covered += found.low <= 0 <= found.high
    assert covered >= 88


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5))
def test_verdicts_follow_the_interval(effect, below, above, margin) -> None:
    found = Interval(effect, effect - below, effect + above)
    fell, stayed = verdict("falls", found, margin), verdict("stays", found, margin)
    assert (fell == "supported") == (found.high < -margin)
    assert (fell == "refuted") == (found.low >= -margin)
    assert (stayed == "supported") == (found.low >= -margin and found.high <= margin)
    if fell == "supported":
        assert stayed == "refuted"


def test_what_cannot_be_resampled() -> None:
    with pytest.raises(ConfigurationError, match="at least two groups"):
        interval(torch.zeros(1, 3), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ShapeError, match=r"\(1, 3\) and \(2,\)"):
        interval(torch.zeros(1, 3), torch.arange(2))


def test_a_change_too_small_to_print_has_no_sign_of_its_own() -> None:
    said = finding("stays", Interval(-1e-6, -2e-6, 1e-6))
    assert said == "the score should stay, and changed by +0.0000 [+0.0000, +0.0000]"
