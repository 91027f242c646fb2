"""Positions in even steps."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deconfound.evenly import evenly
from recipes.endoscopy_mcdrl.cohort import spread


@pytest.mark.parametrize(
    ("count", "most", "positions"),
    [(0, 3, []), (3, 0, []), (3, 5, [0, 1, 2]), (9, 3, [0, 4, 8]), (9, 1, [0]), (1, 1, [0])],
)
def test_a_few_by_hand(count: int, most: int, positions: list[int]) -> None:
    assert evenly(count, most) == positions


@given(st.integers(2, 500), st.integers(2, 500))
def test_both_ends_are_there_and_steps_are_alike(count: int, most: int) -> None:
    positions = evenly(count, most)
    assert (positions[0], positions[-1], len(positions)) == (0, count - 1, min(count, most))
    steps = [b - a for a, b in pairwise(positions)]
    assert max(steps) - min(steps) <= 1


def test_one_frame_of_a_site_is_its_first() -> None:
    assert list(spread("abc", 1)) == ["a"]
