"""The table of one world: plain training, the oracles, then every method, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deconfound.benchmark.cells import DEFAULT, PLAIN, Cell, Outcome
from deconfound.benchmark.methods import method_of
from deconfound.benchmark.reading import percent, points
from deconfound.benchmark.summary import (
    Estimate,
    Share,
    lost_without_confounding,
    of_seeds,
    share_of_gap,
)

NONE = "–"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; numbers with their intervals.

    Attributes:
        title: the method.
        what: one sentence on it.
        closed: share of the gap closed, the figure that counts.
        closed_adjusted: share of the gap to the adjusted oracle.
        gained: Dice above plain training.
        interventional: Dice under do(F).
        observational: Dice where class and confounder go together.
        reversed: Dice where every class shows another's confounder.
        lost: Dice that the method loses to plain training where nothing is confounded.
        worst: class, confounder and Dice of the worst cell.
    """

    title: str
    what: str
    closed: str
    closed_adjusted: str
    gained: str
    interventional: str
    observational: str
    reversed: str
    lost: str
    worst: str


def rows_of(world: str, outcomes: Sequence[Outcome], shares: Sequence[Share]) -> list[Row]:
    """Return the rows of a world of which at least one method is finished."""
    plain, oracle = Cell(world, PLAIN), Cell(world, PLAIN, 0.0)
    adjusted = Cell(world, DEFAULT, 0.0)
    ends = [
        _end("Plain", "", plain, outcomes),
        _end("Unconfounded", "the oracle: plain training without confounding", oracle, outcomes),
    ]
    if of_seeds(outcomes, adjusted):
        what = "the adjusted oracle: the default, trained without confounding"
        ends.append(_end("Unconfounded default", what, adjusted, outcomes))
    return [*ends, *(_of_method(share) for share in shares)]


def _end(title: str, what: str, cell: Cell, outcomes: Sequence[Outcome]) -> Row:
    """Lay out plain training or an oracle, between which the shares lie."""
    mine = list(of_seeds(outcomes, cell).values())
    plain, oracle = Cell(cell.world, PLAIN), Cell(cell.world, PLAIN, 0.0)
    adjusted = Cell(cell.world, DEFAULT, 0.0)
    lost = None if cell.method == PLAIN else lost_without_confounding(outcomes, cell)
    return Row(
        title,
        what,
        closed=_exactly(cell, plain, oracle) or _share(share_of_gap(outcomes, cell, plain, oracle)),
        closed_adjusted=_exactly(cell, plain, adjusted)
        or _share(share_of_gap(outcomes, cell, plain, adjusted)),
        gained=NONE,
        interventional=points(Estimate.of([o.interventional for o in mine])),
        observational=points(Estimate.of([o.observational for o in mine])),
        reversed=points(Estimate.of([o.reversed for o in mine])),
        lost=_points(lost),
        worst=_worst(*min((o.worst() for o in mine), key=lambda entry: entry[2])),
    )


def _exactly(cell: Cell, plain: Cell, oracle: Cell) -> str:
    """Return the share of a cell that is an end of the gap, by definition; else nothing."""
    return {plain: "0 %", oracle: "100 %"}.get(cell, "")


def _of_method(share: Share) -> Row:
    method = method_of(share.cell.method)
    return Row(
        method.title,
        method.what,
        closed=percent(share.closed),
        closed_adjusted=_share(share.closed_adjusted),
        gained=points(share.gained),
        interventional=points(share.interventional),
        observational=points(share.observational),
        reversed=points(share.reversed),
        lost=_points(share.lost),
        worst=_worst(*share.worst),
    )


def _share(estimate: Estimate | None) -> str:
    return NONE if estimate is None else percent(estimate)


def _points(estimate: Estimate | None) -> str:
    return NONE if estimate is None else points(estimate)


def _worst(lesion: str, confounder: str, dice: float) -> str:
    """Return a class and confounder with its Dice; too few pictures in any cell is said."""
    return f"{lesion}, {confounder.replace('_', ' ')}: {100 * dice:.0f}" if lesion else "too few"
