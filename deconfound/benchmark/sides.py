"""A gap seen from two sides, and what a method closed of it on either."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from deconfound.benchmark.cells import Cell, Outcome
from deconfound.benchmark.summary import Estimate, ratio

Score = Callable[[Outcome], float]


@dataclass(frozen=True, slots=True)
class Side:
    """What a method did on one side.

    Attributes:
        cell: the method's, at seed 0.
        name: of the side.
        dice: the method's score there.
        gap: the oracle's less that of plain training.
        closed: the share of it that the method closed, as in `Share`.
    """

    cell: Cell
    name: str
    dice: Estimate
    gap: Estimate
    closed: Estimate


def sides(
    cell: Cell, rows: Sequence[tuple[Outcome, ...]], scores: Mapping[str, Score]
) -> list[Side]:
    """Compare a method with plain training and the oracle, side by side.

    Args:
        cell: the method's.
        rows: method, plain training and oracle of every seed, from `paired`.
        scores: what an outcome scores on each side, by its name.

    Returns:
        One for each side; none where there are no rows.
    """
    return [_side(replace(cell, seed=0), name, of, rows) for name, of in scores.items() if rows]


def _side(cell: Cell, name: str, of: Score, rows: Sequence[tuple[Outcome, ...]]) -> Side:
    dice = [[of(one) for one in row] for row in rows]
    gap = [oracle - plain for _, plain, oracle in dice]
    closed = ratio([own - plain for own, plain, _ in dice], gap)
    return Side(cell, name, Estimate.of([row[0] for row in dice]), Estimate.of(gap), closed)
