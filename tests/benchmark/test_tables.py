"""The worst class and confounder is that of all seeds together."""

from __future__ import annotations

import math
from itertools import permutations

import pytest

from deconfound.benchmark.tables import pooled, worst
from tests.benchmark.outcomes import outcome


def seed(nbi: tuple[float, int], dark: tuple[float, int]):
    return outcome("plain", 0.5, table={"polyp": {"nbi": nbi, "dark": dark}})


def test_the_worst_is_a_mean_over_seeds_and_no_seeds_bad_luck() -> None:
    """Every seed's own worst is at 0.1 or 0.2; over both, nbi is the lower one."""
    seeds = [seed((0.1, 30), (0.8, 10)), seed((0.4, 10), (0.2, 10))]
    assert worst(pooled(seeds)) == ("polyp", "nbi", pytest.approx(0.175))


def test_the_order_of_the_seeds_changes_nothing_where_one_has_too_few_pictures() -> None:
    seeds = [seed((0.1, 1), (0.2, 2)), seed((0.5, 9), (0.6, 9)), seed((0.3, 1), (0.9, 9))]
    found = {worst(pooled(order))[:2] for order in permutations(seeds)}
    assert found == {("polyp", "nbi")}


def test_two_pictures_are_too_few_to_be_the_worst() -> None:
    table = {"polyp": {"nbi": (0.5, 9), "dark": (0.1, 2)}}
    assert worst(table) == ("polyp", "nbi", 0.5)
    assert worst(table, at_least=1) == ("polyp", "dark", 0.1)
    assert math.isnan(worst({"polyp": {"dark": (0.1, 2)}})[2])
