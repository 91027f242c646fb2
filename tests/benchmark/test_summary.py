"""The share of the gap closed, against numbers made by hand and against what Fieller promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deconfound.benchmark.cells import PLAIN, Cell, Outcome
from deconfound.benchmark.prose import reading
from deconfound.benchmark.summary import (
    Estimate,
    closed_share,
    lost_without_confounding,
    ratio,
    share_of_gap,
)


def outcome(method: str, strength: float, dice: float, seed: int = 0) -> Outcome:
    table = {"polyp": {"nbi": (dice, 9)}}
    return Outcome(Cell("mixed", method, strength, seed=seed), 0.9, dice, 0.3, dice, table, 1.0)


def three(dice: float, seed: int = 0) -> list[Outcome]:
    return [
        outcome(PLAIN, 0.95, 0.60, seed),
        outcome(PLAIN, 0.0, 0.80, seed),
        outcome("default", 0.95, dice, seed),
    ]


def test_half_the_gap_is_a_half() -> None:
    share = closed_share(three(0.70), Cell("mixed", "default"))
    assert share is not None
    assert share.closed.mean == pytest.approx(0.5)
    assert share.gap.mean == pytest.approx(0.2)
    assert share.worst == ("polyp", "nbi", 0.70)
    assert math.isnan(share.closed.low)  # one seed has no interval


def test_seeds_are_paired_and_incomplete_ones_left_out() -> None:
    outcomes = [*three(0.70, 0), *three(0.74, 1), outcome("default", 0.95, 0.1, seed=2)]
    share = closed_share(outcomes, Cell("mixed", "default", seed=5))
    assert share is not None
    assert share.closed.seeds == 2
    assert share.closed.mean == pytest.approx(0.6)


def test_without_plain_training_there_is_no_share() -> None:
    assert closed_share([outcome("default", 0.95, 0.7)], Cell("mixed", "default")) is None


def test_the_gap_to_the_adjusted_oracle_is_a_second_figure() -> None:
    """The default reaches 0.72 where nothing is confounded, plain training 0.80."""
    outcomes = [*three(0.69), outcome("default", 0.0, 0.72), outcome("mcdrl", 0.95, 0.63)]
    share, other = (closed_share(outcomes, Cell("mixed", m)) for m in ("default", "mcdrl"))
    assert share is not None
    assert other is not None
    assert (share.closed.mean, share.gap.mean) == pytest.approx((0.45, 0.2))  # as it was
    assert share.adjusted_gap is not None
    assert share.closed_adjusted is not None
    assert other.closed_adjusted is not None
    assert (share.closed_adjusted.mean, share.adjusted_gap.mean) == pytest.approx((0.75, 0.12))
    assert other.closed_adjusted.mean == pytest.approx(0.25)  # one gap for all methods
    ends = (Cell("mixed", PLAIN), Cell("mixed", PLAIN, 0.0))
    of_oracle = share_of_gap(outcomes, Cell("mixed", "default", 0.0), *ends)
    assert of_oracle is not None
    assert of_oracle.mean == pytest.approx(0.6)


def test_what_is_lost_without_confounding_is_paired_by_seed() -> None:
    lost = [0.02, -0.01, 0.005]
    outcomes = [
        each
        for seed, less in enumerate(lost)
        for each in (
            *three(0.7, seed)[:1],
            outcome(PLAIN, 0.0, 0.8 + seed / 20, seed),
            outcome("default", 0.95, 0.7, seed),
            outcome("default", 0.0, 0.8 + seed / 20 - less, seed),
        )
    ]
    outcomes.append(outcome("default", 0.0, 0.1, seed=9))  # nothing to compare it with
    found, expected = (
        lost_without_confounding(outcomes, Cell("mixed", "default")),
        Estimate.of(lost),
    )
    assert found is not None
    assert found.seeds == 3
    assert (found.mean, found.low, found.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    share = closed_share(outcomes, Cell("mixed", "default"))
    assert share is not None
    assert share.lost == found


def test_what_was_not_trained_without_confounding_has_no_loss() -> None:
    share = closed_share(three(0.70), Cell("mixed", "default"))
    assert share is not None
    assert (share.lost, share.adjusted_gap, share.closed_adjusted) == (None, None, None)


def test_an_interval_is_the_t_interval() -> None:
    from scipy.stats import ttest_1samp

    values = [0.1, 0.3, 0.25, 0.4]
    found, expected = Estimate.of(values), ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@given(st.integers(0, 10_000), st.floats(0.1, 2.0))
def test_fieller_holds_exactly_the_ratios_that_a_t_test_does_not_reject(
    seed: int, share: float
) -> None:
    from scipy.stats import ttest_1samp

    g = np.random.default_rng(seed)
    gap = 0.2 + 0.01 * g.standard_normal(5)
    gained = share * gap + 0.01 * g.standard_normal(5)
    found = ratio(gained, gap)
    assert found.low <= found.mean <= found.high
    for end in (found.low, found.high):  # at the ends the p-value is exactly 0.05
        assert ttest_1samp(gained - end * gap, 0).pvalue == pytest.approx(0.05, abs=1e-6)


def test_a_gap_that_may_be_zero_allows_any_share() -> None:
    found = ratio([0.01, -0.01, 0.02], [0.02, -0.015, 0.01])
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_what_is_said_follows_from_the_numbers() -> None:
    worse = [*three(0.66), outcome("render", 0.95, 0.78)]
    shares = [closed_share(worse, Cell("mixed", m)) for m in ("render", "default")]
    said = " ".join(reading([share for share in shares if share]))
    assert "Render comes nearest and closes 90 %" in said
    assert "less than the best of its rivals" in said
    assert "It misses the aim of 50 %" in said
    assert "One seed" in said
