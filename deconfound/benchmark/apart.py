"""Confounders that can be drawn onto a finished picture and those that cannot, reported apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from deconfound.benchmark.cells import PLAIN, Cell, Outcome
from deconfound.benchmark.summary import Estimate, paired, ratio
from deconfound.simulation import CONFOUNDERS, UNRENDERABLE

Kind = Literal["renderable", "unrenderable"]
MEMBERS: dict[Kind, tuple[str, ...]] = {"renderable": CONFOUNDERS, "unrenderable": UNRENDERABLE}


@dataclass(frozen=True, slots=True)
class Apart:
    """What a method did on the interventional pictures that show one kind of confounder.

    Attributes:
        cell: the method's, at seed 0.
        confounders: the kind.
        interventional: the method's Dice on these pictures.
        gap: the oracle's less that of plain training, there.
        closed: the share of it that the method closed, as in `Share`.
    """

    cell: Cell
    confounders: Kind
    interventional: Estimate
    gap: Estimate
    closed: Estimate


def apart(outcomes: Sequence[Outcome], cell: Cell) -> list[Apart]:
    """Compare a method with plain training and the oracle on either kind of pictures.

    Args:
        outcomes: all that is finished.
        cell: whose method, world, strength and dictionary; its seed does not matter.

    Returns:
        One for each kind; none where no seed has all three models and shows both kinds.
    """
    ends = Cell(cell.world, PLAIN, cell.strength), Cell(cell.world, PLAIN, 0.0)
    rows = [
        row
        for row in paired(outcomes, cell, *ends)
        if not any(math.isnan(dice_under(one, kind)) for one in row for kind in MEMBERS)
    ]
    return [_of_kind(replace(cell, seed=0), kind, rows) for kind in get_args(Kind) if rows]


def _of_kind(cell: Cell, kind: Kind, rows: Sequence[tuple[Outcome, ...]]) -> Apart:
    dice = [[dice_under(one, kind) for one in row] for row in rows]
    gap = [oracle - plain for _, plain, oracle in dice]
    closed = ratio([own - plain for own, plain, _ in dice], gap)
    return Apart(cell, kind, Estimate.of([row[0] for row in dice]), Estimate.of(gap), closed)


def dice_under(outcome: Outcome, kind: Kind) -> float:
    """Return mean interventional Dice over the pictures of one kind; nan where there are none."""
    cells = [
        cell for row in outcome.table.values() for z, cell in row.items() if z in MEMBERS[kind]
    ]
    count = sum(n for _, n in cells)
    return sum(dice * n for dice, n in cells) / count if count else math.nan
