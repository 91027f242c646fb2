"""What confounding costs: lesions that are not found, and lesions that are found and misnamed."""

from __future__ import annotations

from collections.abc import Sequence

from deconfound.benchmark.cells import PLAIN, Cell, Outcome
from deconfound.benchmark.sides import Score, Side, sides
from deconfound.benchmark.summary import paired

TASKS: dict[str, Score] = {
    "finding": lambda outcome: outcome.found,
    "naming": lambda outcome: outcome.interventional - outcome.found,
}
"""Interventional Dice of any lesion, and what the class takes from it, 0 or below: their sum is the
Dice that counts."""


def halves(outcomes: Sequence[Outcome], cell: Cell) -> list[Side]:
    """Compare a method with plain training and the oracle at finding and at naming.

    Args:
        outcomes: all that is finished.
        cell: whose method, world, strength and dictionary; its seed does not matter.

    Returns:
        One for each task, whose gaps add up to `Share.gap`; none where no seed has all three
        models.
    """
    ends = Cell(cell.world, PLAIN, cell.strength), Cell(cell.world, PLAIN, 0.0)
    return sides(cell, paired(outcomes, cell, *ends), TASKS)
