"""Systematic resampling: the share of each image, rounded down or up, and unbiased."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError
from deconfound.estimators.weighting import weighted_order
from deconfound.testing.strategies import seeds

weights = st.lists(st.integers(0, 20), min_size=1, max_size=30).filter(any)


@given(w=weights, count=st.integers(1, 200), seed=seeds, epoch=st.integers(0, 100))
def test_every_image_gets_its_share_rounded_down_or_up(w, count, seed, epoch) -> None:
    order = weighted_order(torch.tensor(w), count, seed, epoch)
    assert len(order) == count
    for index, times in enumerate(np.bincount(order, minlength=len(w)).tolist()):
        share = count * w[index] / sum(w)
        assert math.floor(share - 1e-9) <= times <= math.ceil(share + 1e-9)


@given(n=st.integers(1, 100), seed=seeds, epoch=st.integers(0, 100))
def test_equal_weights_draw_everybody_once(n, seed, epoch) -> None:
    assert sorted(weighted_order(torch.ones(n), n, seed, epoch)) == list(range(n))


@given(w=weights, seed=seeds)
def test_seed_and_epoch_say_it_all(w, seed) -> None:
    w = torch.tensor(w)
    assert weighted_order(w, 30, seed, 1) == weighted_order(w, 30, seed, 1)


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(weighted_order(torch.ones(30), 30, s, e)) for s in (0, 1) for e in (0, 1)}
    assert len(orders) == 4


def test_over_epochs_an_image_is_drawn_as_often_as_it_weighs() -> None:
    w = torch.tensor([0.0, 0.3, 1.1, 2.6])
    drawn = np.bincount([i for e in range(4000) for i in weighted_order(w, 3, 7, e)], minlength=4)
    assert drawn[0] == 0
    np.testing.assert_allclose(drawn / 4000, 3 * w / w.sum(), atol=0.03)


def test_copies_of_an_image_are_spread() -> None:
    """Five each of two images: neighbours are alike in 4 of 9 cases, not in 8."""
    orders = [weighted_order(torch.ones(2), 10, 0, epoch) for epoch in range(400)]
    assert np.mean(np.diff(orders) == 0) == pytest.approx(4 / 9, abs=0.03)


def test_neighbours_in_the_data_set_share_no_fate() -> None:
    """Two of four images: any pair in one of six cases, where ticks in order never meet 0 and 1."""
    orders = [set(weighted_order(torch.ones(4), 2, 0, epoch)) for epoch in range(1000)]
    assert np.mean([order == {0, 1} for order in orders]) == pytest.approx(1 / 6, abs=0.05)


@pytest.mark.parametrize("bad", [[], [0.0, 0.0], [1.0, -1.0], [1.0, math.nan], [math.inf]])
def test_what_nothing_can_be_drawn_by_is_refused(bad) -> None:
    with pytest.raises(ConfigurationError, match="weighted order"):
        weighted_order(torch.tensor(bad), 3, 0, 0)


def test_a_draw_is_one_at_least() -> None:
    with pytest.raises(ConfigurationError, match="count of at least 1"):
        weighted_order(torch.ones(3), 0, 0, 0)
