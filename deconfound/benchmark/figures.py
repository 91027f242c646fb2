"""The report's drawings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from deconfound.benchmark.axes import Axis, Point
from deconfound.benchmark.cells import DEFAULT, PLAIN, Outcome
from deconfound.benchmark.methods import method_of
from deconfound.benchmark.prose import percent
from deconfound.benchmark.prose import points as in_points
from deconfound.benchmark.summary import Estimate, Share
from deconfound.benchmark.tables import pooled
from deconfound.training.report.svg import INK, LINE, MUTED, SERIES, Panel, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REACH = (-100, 200)
"""Shares that are drawn, in percent; what lies beyond stands at the edge."""


def closed_panel(shares: Sequence[Share], world: str) -> Panel:
    """Draw the share of the gap closed, a dot and an interval for each method."""
    order = sorted(shares, key=lambda share: share.gained.mean)
    titles = [method_of(share.cell.method).title for share in order]

    def paint(axes: Axes) -> None:
        for x, label in ((0, "plain"), (100, "unconfounded")):
            axes.axvline(x, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
            axes.annotate(
                label,
                (x, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                color=MUTED,
                fontsize=8.5,
            )
        for row, share in enumerate(order):
            colour = SERIES[1] if share.cell.method == DEFAULT else SERIES[0]
            closed = share.closed
            if not math.isnan(closed.low):
                ends = tuple(np.clip((100 * closed.low, 100 * closed.high), *REACH))
                axes.plot(ends, (row, row), color=colour, linewidth=2.2, alpha=0.55)
            inside = float(np.clip(100 * closed.mean, *REACH))
            axes.plot(inside, row, "o", color=colour, markersize=6)
        axes.set_yticks(range(len(order)), titles, color=INK)
        axes.set_xlim(REACH[0] - 5, REACH[1] + 5)
        axes.set_xlabel("percent of the gap closed", color=MUTED)
        axes.grid(axis="x", color=LINE, linewidth=0.7)

    told = "; ".join(
        f"{title} {percent(share.closed)}" for title, share in zip(titles, order, strict=True)
    )
    caption = (
        "interventional distribution; bars are 95 % intervals over seeds, where there are any; "
        f"cut at {REACH[0]} and {REACH[1]}"
    )
    size = (5.4, 0.75 + 0.3 * len(order))
    return Panel(f"Gap closed, {world}", caption, draw(paint, size), f"Share closed: {told}")


UNITS: Mapping[Axis, str] = {
    "strength": "probability that the class decides",
    "size": "prompts, nested",
    "quality": "words",
}

Lines = dict[str, list[tuple[str, Estimate]]]
"""Of each method, its points: a label of the axis and a figure."""


def axis_panels(points: Sequence[Point]) -> list[Panel]:
    """Draw the share along each axis, and along the strength, where plain training moves, Dice."""
    strengths = [point for point in points if point.axis == "strength"]
    panels = [_dice_panel(strengths)] if strengths else []
    for axis in UNITS:
        shown = [
            point
            for point in points
            if point.axis == axis
            and point.share.cell.method != PLAIN
            and math.isfinite(point.share.closed.mean)
        ]
        if shown:
            panels.append(_share_panel(axis, shown))
    return panels


def _dice_panel(points: Sequence[Point]) -> Panel:
    lines = _lines(points, [point.share.interventional for point in points])
    caption = "interventional Dice; bars are 95 % intervals over seeds"
    return _line_panel("Dice by strength", caption, "strength", lines, (0, 100), in_points)


def _share_panel(axis: Axis, points: Sequence[Point]) -> Panel:
    lines = _lines(points, [point.share.closed for point in points])
    caption = (
        f"percent of the gap; bars are 95 % intervals over seeds, cut at {REACH[0]} and {REACH[1]}"
    )
    return _line_panel(f"Gap closed by {axis}", caption, axis, lines, REACH, percent)


def _lines(points: Sequence[Point], figures: Sequence[Estimate]) -> Lines:
    """Gather what is drawn of every method."""
    lines: Lines = {}
    for point, found in zip(points, figures, strict=True):
        lines.setdefault(point.share.cell.method, []).append((point.label, found))
    return lines


def _line_panel(
    title: str,
    caption: str,
    axis: Axis,
    lines: Lines,
    reach: tuple[float, float],
    in_words: Callable[[Estimate], str],
) -> Panel:
    labels = list(dict.fromkeys(label for points in lines.values() for label, _ in points))

    def paint(axes: Axes) -> None:
        paint_lines(axes, labels, lines, reach)
        axes.set_xlabel(UNITS[axis], color=MUTED)

    told = "; ".join(
        f"{method_of(method).title}: "
        + ", ".join(f"{label} {in_words(found)}" for label, found in points)
        for method, points in lines.items()
    )
    return Panel(title, caption, draw(paint), told)


def paint_lines(
    axes: Axes, labels: Sequence[str], lines: Lines, reach: tuple[float, float]
) -> None:
    """Draw a line for each method, with a bar for every interval, cut at ``reach``, in percent.

    Methods stand a little beside each other, so that no bar hides another.
    """
    for number, (method, points) in enumerate(lines.items()):
        aside = 0.09 * (number - (len(lines) - 1) / 2)
        x = [labels.index(label) + aside for label, _ in points]
        colour = _colour(method, number)
        y = [float(np.clip(100 * found.mean, *reach)) for _, found in points]
        style = "o--" if method == PLAIN else "o-"
        axes.plot(x, y, style, color=colour, linewidth=1.6, markersize=4,
                  label=method_of(method).title)  # fmt: skip
        for place, (_, found) in zip(x, points, strict=True):
            if not math.isnan(found.low):
                ends = np.clip((100 * found.low, 100 * found.high), *reach)
                axes.vlines(place, *ends, color=colour, linewidth=2.2, alpha=0.55)
    axes.set_xticks(range(len(labels)), labels)
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8.5, loc="lower center",
                bbox_to_anchor=(0.5, 1.0), ncols=3)  # fmt: skip


def _colour(method: str, number: int) -> str:
    """Return one colour for a method in every drawing."""
    fixed = {PLAIN: MUTED, DEFAULT: SERIES[1], "mcdrl": SERIES[0]}
    return fixed.get(method, SERIES[2 + number % 2])


def heat_panel(outcomes: Sequence[Outcome], title: str) -> Panel:
    """Draw interventional Dice of each class and confounder, over the pictures of all seeds."""
    table = pooled(outcomes)
    lesions = list(table)
    confounders = list(dict.fromkeys(z for row in table.values() for z in row))
    nothing = (math.nan, 0)
    grid = np.array([[table[k].get(z, nothing)[0] for z in confounders] for k in lesions])

    def paint(axes: Axes) -> None:
        axes.imshow(np.nan_to_num(100 * grid), cmap="Greys", vmin=0, vmax=130, aspect="auto")
        for (row, column), dice in np.ndenumerate(grid):
            if np.isfinite(dice):
                shade = "white" if dice > 0.75 else "black"
                axes.text(column, row, f"{100 * dice:.0f}", ha="center", va="center", color=shade)
        axes.set_xticks(
            range(len(confounders)),
            [z.replace("_", " ") for z in confounders],
            rotation=30,
            ha="right",
        )
        axes.set_yticks(range(len(lesions)), lesions)

    size = (1.6 + 0.62 * len(confounders), 1.2 + 0.34 * len(lesions))
    caption = "Dice of each class (rows) under each confounder (columns), interventional"
    return Panel(title, caption, draw(paint, size), f"{title}: {caption}")
