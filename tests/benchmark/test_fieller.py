"""What Fieller's interval of the share must do, whatever the seeds gave."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from deconfound.benchmark import Estimate, ratio

seeds = st.integers(2, 8).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(-0.2, 0.2), min_size=n, max_size=n).map(np.array),
        st.lists(st.floats(0.05, 0.2), min_size=n, max_size=n).map(np.array),
    )
)
"""What each seed gained, and its gap."""


@given(seeds)
@example((np.array([0.15625, 0.15625]), np.array([0.125, 0.125])))  # rounds to a root below zero
def test_where_every_seed_has_the_same_gap_it_is_students_interval(drawn) -> None:
    gained, gap = drawn[0], np.full(len(drawn[0]), 0.1)
    expected, found = Estimate.of(gained / gap), ratio(gained, gap)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (expected.mean, expected.low, expected.high), abs=1e-6
    )


@given(seeds, st.floats(0.1, 10))
def test_the_unit_of_dice_does_not_matter(drawn, unit: float) -> None:
    gained, gap = drawn
    one, other = ratio(gained, gap), ratio(unit * gained, unit * gap)
    assume(math.isfinite(one.low) and one.high - one.low < 50)
    assert (other.mean, other.low, other.high) == pytest.approx(
        (one.mean, one.low, one.high), rel=1e-4, abs=1e-4
    )


@given(seeds)
def test_a_method_that_does_what_the_oracle_does_has_closed_all_of_it(drawn) -> None:
    _, gap = drawn
    found = ratio(gap, gap)
    assert found.mean == pytest.approx(1)
    assume(math.isfinite(found.low))
    assert (found.low, found.high) == pytest.approx((1, 1), abs=1e-5)


@given(seeds)
def test_a_gap_that_could_be_nothing_leaves_any_share_possible(drawn) -> None:
    gained, gap = drawn
    assume(gap.std() > 1e-3)
    found = ratio(gained, gap - gap.mean() + 1e-9)
    assert (found.low, found.high) == (-math.inf, math.inf)


@pytest.mark.slow
def test_it_holds_the_truth_nineteen_times_in_twenty() -> None:
    draw, truth, held = np.random.default_rng(0), 0.6, 0
    for _ in range(2000):
        gap = draw.normal(0.1, 0.02, 5)
        found = ratio(truth * gap + draw.normal(0, 0.02, 5), gap)
        held += found.low <= truth <= found.high
    assert 0.935 < held / 2000 < 0.965
