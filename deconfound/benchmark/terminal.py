"""The table that the command prints, for eighty columns; intervals of Dice are for the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deconfound.benchmark.apart import apart
from deconfound.benchmark.cells import DEFAULT, Cell, Outcome
from deconfound.benchmark.prose import ANY, ANY_MEANS, COLUMNS_MEAN, apart_in_words, mean_points
from deconfound.benchmark.rows import Row, rows_of
from deconfound.benchmark.settings import BenchmarkSettings
from deconfound.benchmark.summary import shares_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


REST = (
    "The report has intervals of Dice too, the class and confounder of the worst cell, and the "
    "shares at other strengths and dictionaries; summary.json has the same numbers."
)


def tell(
    console: Console, outcomes: Sequence[Outcome], settings: BenchmarkSettings, report: Path
) -> None:
    """Print a table for each world of which something is finished, and what its columns mean."""
    unclear = False
    for world in settings.worlds:
        shares = shares_of(world, outcomes, settings)
        if not shares:
            continue
        rows = rows_of(world, outcomes, shares, told=mean_points)
        console.print(_table(world, rows))
        for sentence in apart_in_words(apart(outcomes, Cell(world, DEFAULT))):
            console.print(sentence, highlight=False)
        unclear |= any(ANY in cell for row in rows for cell in (row.closed, row.closed_adjusted))
    console.print(COLUMNS_MEAN, style="dim", highlight=False)
    if unclear:
        console.print(ANY_MEANS, style="dim", highlight=False)
    console.print(REST, highlight=False)
    console.print(f"The report: {report}", highlight=False, soft_wrap=True)


def _table(world: str, rows: Sequence[Row]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    title = f"{world}: share of the confounding gap closed, 95 % over seeds"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.collapse_padding = True
    table.add_column("", min_width=12)
    for column in ("gap closed", "adjusted", "do(F)", "obs.", "rev.", "lost", "worst"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        closed = [told.replace(" (", "\n(") for told in (row.closed, row.closed_adjusted)]
        dice = (row.interventional, row.observational, row.reversed, row.lost, row.worst)
        table.add_row(row.title, *closed, *dice)
    return table
