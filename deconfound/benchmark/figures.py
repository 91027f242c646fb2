"""The report's drawings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from deconfound.benchmark.cells import Outcome, Table
from deconfound.benchmark.methods import method_of
from deconfound.benchmark.summary import Share
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
            colour = SERIES[1] if share.cell.method == "default" else SERIES[0]
            closed = share.closed
            if math.isfinite(closed.low):
                ends = tuple(np.clip((100 * closed.low, 100 * closed.high), *REACH))
                axes.plot(ends, (row, row), color=colour, linewidth=2.2, alpha=0.55)
            inside = float(np.clip(100 * closed.mean, *REACH))
            axes.plot(inside, row, "o", color=colour, markersize=6)
        axes.set_yticks(range(len(order)), titles, color=INK)
        axes.set_xlim(REACH[0] - 5, REACH[1] + 5)
        axes.set_xlabel("percent of the gap closed", color=MUTED)
        axes.grid(axis="x", color=LINE, linewidth=0.7)

    told = ", ".join(
        f"{title} {100 * share.closed.mean:.0f} %"
        for title, share in zip(titles, order, strict=True)
    )
    caption = (
        "interventional distribution; bars are 95 % intervals over seeds, where there are any; "
        f"cut at {REACH[0]} and {REACH[1]}"
    )
    size = (5.4, 0.75 + 0.3 * len(order))
    return Panel(f"Gap closed, {world}", caption, draw(paint, size), f"Share closed: {told}")


def axis_panel(
    title: str, caption: str, lines: dict[str, list[tuple[str, float]]], unit: str
) -> Panel:
    """Draw Dice along one axis: a line for each method, through (label, Dice) points."""
    labels = list(dict.fromkeys(label for points in lines.values() for label, _ in points))

    def paint(axes: Axes) -> None:
        for number, points in enumerate(lines.values()):
            x = [labels.index(label) for label, _ in points]
            colour = SERIES[number % len(SERIES)]
            y = [100 * dice for _, dice in points]
            axes.plot(x, y, "o-", color=colour, linewidth=1.9, markersize=4)
        axes.set_xticks(range(len(labels)), labels)
        axes.set_xlabel(unit, color=MUTED)
        axes.grid(axis="y", color=LINE, linewidth=0.7)

    told = "; ".join(
        f"{name}: " + ", ".join(f"{label} {100 * dice:.1f}" for label, dice in points)
        for name, points in lines.items()
    )
    return Panel(title, caption, draw(paint), told)


def heat_panel(outcomes: Sequence[Outcome], title: str) -> Panel:
    """Draw interventional Dice of each class and confounder, the mean over seeds."""
    tables = [outcome.table for outcome in outcomes]
    lesions = list(dict.fromkeys(name for table in tables for name in table))
    confounders = list(dict.fromkeys(z for table in tables for row in table.values() for z in row))
    grid = np.array([[_mean(tables, k, z) for z in confounders] for k in lesions])

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


def _mean(tables: Sequence[Table], lesion: str, confounder: str) -> float:
    cells = [table[lesion][confounder] for table in tables if confounder in table.get(lesion, {})]
    total = sum(count for _, count in cells)
    return sum(dice * count for dice, count in cells) / total if total else math.nan
