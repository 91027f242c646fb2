"""Shares where one thing is varied: the strength, the dictionary's size, or its words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from deconfound.benchmark.cells import PLAIN, Cell, Outcome
from deconfound.benchmark.settings import BenchmarkSettings
from deconfound.benchmark.summary import Share, closed_share

Axis = Literal["strength", "size", "quality"]


@dataclass(frozen=True, slots=True)
class Point:
    """What one method did at one value of what was varied; the rest is that of the base point.

    Attributes:
        axis: what was varied.
        value: to what.
        share: what the method did there. The gap is that of plain training at the same strength,
            and at strength 0 there is none.
    """

    axis: Axis
    value: float | int | str
    share: Share

    @property
    def label(self) -> str:
        """The value in words."""
        told = f"{self.value:g}" if isinstance(self.value, float) else str(self.value)
        return told.replace("_", " ")


def along_axes(world: str, outcomes: Sequence[Outcome], settings: BenchmarkSettings) -> list[Point]:
    """Return the points of a world, axis by axis, method by method, in the order of the values.

    A method is on an axis where something besides the base point and strength 0, of which the base
    point's own gap is made, is finished.
    """
    return [
        Point(axis, value, share)
        for axis, values in _values(settings).items()
        for method in dict.fromkeys((PLAIN, *settings.methods))
        if _varied(axis, Cell(world, method), outcomes)
        for value in values
        if (share := closed_share(outcomes, replace(Cell(world, method), **{axis: value})))
    ]


def _values(settings: BenchmarkSettings) -> dict[Axis, list[Any]]:
    """Return what each axis may have been set to, in the order in which it is read."""
    base = Cell("", PLAIN)
    return {
        "strength": sorted({0.0, base.strength, *settings.strengths}),
        "size": sorted({base.size, *settings.sizes}),
        "quality": list(dict.fromkeys((base.quality, *settings.qualities))),
    }


def _varied(axis: Axis, base: Cell, outcomes: Sequence[Outcome]) -> bool:
    return any(value not in (getattr(base, axis), 0.0) for value in _found(axis, base, outcomes))


def _found(axis: Axis, base: Cell, outcomes: Sequence[Outcome]) -> Iterator[Any]:
    """Yield the values that a method has been trained at."""
    for cell in (outcome.cell for outcome in outcomes):
        value = getattr(cell, axis)
        if cell == replace(base, seed=cell.seed, **{axis: value}):
            yield value
