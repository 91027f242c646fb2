"""Named rows: what the drawings of the section about the model's use have in common."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deconfound.training.report.svg import INK, LINE, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR = SERIES[1]
MARKED = SERIES[2]
"""Of what a reader should not miss."""

LETTERS = 26
"""Of a confounder's name in one line."""


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows, the first on top."""
    from matplotlib.ticker import MaxNLocator

    axes.set_yticks(range(len(names)), [folded(name) for name in names], color=INK, fontsize=9)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="x", color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))


def folded(name: str) -> str:
    """Return a name in at most two lines, so that most of the width is left to what is drawn."""
    first, *rest = [line for part in name.split("\n") for line in textwrap.wrap(part, LETTERS)]
    second = textwrap.shorten(" ".join(rest), LETTERS, placeholder=" …")
    return f"{first}\n{second}" if rest else first


def tall(names: Sequence[str]) -> tuple[float, float]:
    """Return a size with room for every row's name."""
    most = max(1 + folded(name).count("\n") for name in names)
    return 4.2, 0.7 + (0.24 if most == 1 else 0.36) * max(len(names), 3)


def short(name: str) -> str:
    """Return a name as a column can hold it."""
    return name if len(name) <= 6 else name[:5] + "…"
