"""Confounders that can be drawn onto a finished picture and those that cannot, reported apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

from deconfound.benchmark.cells import PLAIN, Cell, Outcome
from deconfound.benchmark.sides import Side, sides
from deconfound.benchmark.summary import paired
from deconfound.simulation import CONFOUNDERS, UNRENDERABLE

Kind = Literal["renderable", "unrenderable"]
MEMBERS: dict[Kind, tuple[str, ...]] = {"renderable": CONFOUNDERS, "unrenderable": UNRENDERABLE}


def apart(outcomes: Sequence[Outcome], cell: Cell) -> list[Side]:
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
    return sides(cell, rows, {kind: partial(dice_under, kind=kind) for kind in MEMBERS})


def dice_under(outcome: Outcome, kind: Kind) -> float:
    """Return mean interventional Dice over the pictures of one kind; nan where there are none."""
    cells = [
        cell for row in outcome.table.values() for z, cell in row.items() if z in MEMBERS[kind]
    ]
    count = sum(n for _, n in cells)
    return sum(dice * n for dice, n in cells) / count if count else math.nan
