"""The table of one world: plain training, the oracles, then every method, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deconfound.benchmark.axes import Point
from deconfound.benchmark.cells import DEFAULT, PLAIN, Cell, Outcome
from deconfound.benchmark.methods import method_of
from deconfound.benchmark.prose import percent, points
from deconfound.benchmark.sides import Side
from deconfound.benchmark.summary import (
    Estimate,
    Share,
    lost_without_confounding,
    of_seeds,
    share_of_gap,
)
from deconfound.benchmark.tables import pooled, worst

NONE = "–"

Telling = Callable[[Estimate], str]


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
        worst: Dice of the worst cell.
        where: its class and confounder.
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
    where: str


def rows_of(
    world: str, outcomes: Sequence[Outcome], shares: Sequence[Share], told: Telling = points
) -> list[Row]:
    """Return the rows of a world of which at least one method is finished.

    Args:
        world: its name.
        outcomes: all that is finished.
        shares: of its methods, in order.
        told: how Dice is put in words.
    """
    plain, oracle = Cell(world, PLAIN), Cell(world, PLAIN, 0.0)
    adjusted = Cell(world, DEFAULT, 0.0)
    ends = [
        _end("Plain", "", plain, outcomes, told),
        _end(
            "Unconfounded", "the oracle: plain training without confounding", oracle, outcomes, told
        ),
    ]
    if of_seeds(outcomes, adjusted):
        what = "the adjusted oracle: the default, trained without confounding"
        ends.append(_end("Unconfounded default", what, adjusted, outcomes, told))
    return [*ends, *(_of_method(share, told) for share in shares)]


def _end(title: str, what: str, cell: Cell, outcomes: Sequence[Outcome], told: Telling) -> Row:
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
        interventional=told(Estimate.of([o.interventional for o in mine])),
        observational=told(Estimate.of([o.observational for o in mine])),
        reversed=told(Estimate.of([o.reversed for o in mine])),
        lost=NONE if lost is None else told(lost),
        **_worst(*worst(pooled(mine))),
    )


def _exactly(cell: Cell, plain: Cell, oracle: Cell) -> str:
    """Return the share of a cell that is an end of the gap, by definition; else nothing."""
    return {plain: "0 %", oracle: "100 %"}.get(cell, "")


def _of_method(share: Share, told: Telling) -> Row:
    method = method_of(share.cell.method)
    by_definition = share.cell.method == PLAIN and share.gap.mean > 0
    return Row(
        method.title,
        method.what,
        closed="0 %" if by_definition else percent(share.closed),
        closed_adjusted=_share(share.closed_adjusted),
        gained=told(share.gained),
        interventional=told(share.interventional),
        observational=told(share.observational),
        reversed=told(share.reversed),
        lost=NONE if share.lost is None else told(share.lost),
        **_worst(*share.worst),
    )


def _share(estimate: Estimate | None) -> str:
    return NONE if estimate is None else percent(estimate)


def _worst(lesion: str, confounder: str, dice: float) -> dict[str, str]:
    """Return Dice and place of the worst cell; too few pictures in any cell is said."""
    if not lesion:
        return {"worst": "too few", "where": ""}
    return {"worst": f"{100 * dice:.0f}", "where": f"{lesion}, {confounder.replace('_', ' ')}: "}


def varied_rows(found: Sequence[Point]) -> list[tuple[str, str, Row]]:
    """Return axis, value and row of every point."""
    return [(point.axis, point.label, _of_method(point.share, points)) for point in found]


def rows_of_sides(found: Iterable[Sequence[Side]]) -> list[tuple[str, tuple[str, ...]]]:
    """Return title and figures of every method: Dice and share of one side, then of the other."""
    return [
        (
            method_of(both[0].cell.method).title,
            tuple(told for side in both for told in (points(side.dice), percent(side.closed))),
        )
        for both in found
        if both
    ]
