"""Dice by class and confounder, over the pictures of all seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from deconfound.benchmark.cells import Outcome, Table


def pooled(outcomes: Sequence[Outcome]) -> Table:
    """Return the mean of each class and confounder over all outcomes, picture by picture."""
    tables = [outcome.table for outcome in outcomes]
    places = dict.fromkeys((k, z) for table in tables for k, row in table.items() for z in row)
    found: dict[str, dict[str, tuple[float, int]]] = {}
    for k, z in places:
        cells = [table[k][z] for table in tables if z in table.get(k, {})]
        count = sum(n for _, n in cells)
        found.setdefault(k, {})[z] = (sum(dice * n for dice, n in cells) / count, count)
    return found


def worst(table: Table, at_least: int = 5) -> tuple[str, str, float]:
    """Return class, confounder and Dice of the lowest mean over enough pictures.

    Two empty names and nan where there are too few under every confounder.
    """
    found = [
        (lesion, confounder, dice)
        for lesion, row in table.items()
        for confounder, (dice, count) in row.items()
        if count >= at_least
    ]
    return min(found, key=lambda entry: entry[2], default=("", "", math.nan))
