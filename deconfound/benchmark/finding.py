"""What confounding costs: lesions that are not found, and lesions that are found and misnamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from deconfound.benchmark.cells import PLAIN, Cell, Outcome
from deconfound.benchmark.summary import Estimate, paired, ratio

Task = Literal["finding", "naming"]


@dataclass(frozen=True, slots=True)
class Half:
    """One of the two halves of a gap, and what a method closed of it.

    Attributes:
        cell: the method's, at seed 0.
        task: finding a lesion, whatever it is called; or naming what is found.
        dice: of ``finding``, the method's interventional Dice of any lesion; of ``naming``, what
            the class takes from it, 0 or below.
        gap: the oracle's less that of plain training. The two gaps add up to `Share.gap`.
        closed: the share of it that the method closed, as in `Share`.
    """

    cell: Cell
    task: Task
    dice: Estimate
    gap: Estimate
    closed: Estimate


def halves(outcomes: Sequence[Outcome], cell: Cell) -> list[Half]:
    """Compare a method with plain training and the oracle at finding and at naming.

    Args:
        outcomes: all that is finished.
        cell: whose method, world, strength and dictionary; its seed does not matter.

    Returns:
        One for each task; none where no seed has all three models.
    """
    ends = Cell(cell.world, PLAIN, cell.strength), Cell(cell.world, PLAIN, 0.0)
    rows = paired(outcomes, cell, *ends)
    return [_half(replace(cell, seed=0), task, rows) for task in get_args(Task) if rows]


def _half(cell: Cell, task: Task, rows: Sequence[tuple[Outcome, ...]]) -> Half:
    dice = [[_dice(one, task) for one in row] for row in rows]
    gap = [oracle - plain for _, plain, oracle in dice]
    closed = ratio([own - plain for own, plain, _ in dice], gap)
    return Half(cell, task, Estimate.of([row[0] for row in dice]), Estimate.of(gap), closed)


def _dice(outcome: Outcome, task: Task) -> float:
    return outcome.found if task == "finding" else outcome.interventional - outcome.found
