"""The results as a table for the terminal and as plain records for ``--json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deconfound.extras import missing_extra
from deconfound.training.metrics import MethodResult, Scores, ScoresRow

if TYPE_CHECKING:
    from rich.table import Table

#: The scores that are told, with the names the field gives them.
METRICS = (("dice", "Dice"), ("iou", "IoU"), ("acc", "Acc"))

EMPTY_MASKS = (
    "An image with neither lesion nor prediction scores 100 in Dice and IoU, one with only one of "
    "the two 0; none is left out."
)
"""What is said below every table of scores."""


def row_keys(results: Sequence[MethodResult]) -> list[tuple[str, str]]:
    """Return the (kind, name) of every row of a comparison: lesion classes, sites, overall last.

    A lone site is the overall row by another name and is left out.
    """
    keys = list(dict.fromkeys((row.kind, row.name) for result in results for row in result.rows))
    sites = [key for key in keys if key[0] == "site"]
    classes = [key for key in keys if key[0] == "class"]
    return [*classes, *(sites if len(sites) > 1 else []), ("overall", "overall")]


def best_methods(
    results: Sequence[MethodResult], key: tuple[str, str], metric: str
) -> frozenset[str]:
    """Return the methods that lead a row once rounded as printed; nobody, where all are equal."""
    values = {}
    for result in results:
        row = result.row(*key)
        if row is not None:
            values[result.method] = round(100 * getattr(row.mean, metric), 1)
    leaders = {method for method, value in values.items() if value == max(values.values())}
    return frozenset(leaders if len(leaders) < len(values) else ())


def results_table(results: Sequence[MethodResult], title: str | None = None) -> Table:
    """Lay several methods side by side: per-image means in percent, the best of a row in bold.

    With two methods, a last column gives the difference in Dice, in points; with more, Dice stands
    alone, so that they fit a terminal.

    Args:
        results: one per method, the baseline first.
        title: above the table.
    """
    try:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table as RichTable
        from rich.text import Text
    except ImportError as error:
        raise missing_extra("rich", "the results table") from error
    table = RichTable(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.caption, table.caption_justify = EMPTY_MASKS, "left"
    table.pad_edge, table.padding = False, (0, 1, 0, 0)  # two methods fit 80 columns
    table.add_column("", no_wrap=True, min_width=max(len(name) for _, name in row_keys(results)))
    table.add_column("\nimages", justify="right", style="dim")
    told = METRICS if len(results) <= 2 else METRICS[:1]
    for result in results:
        for number, (_, label) in enumerate(told):
            above = "" if number else result.method
            table.add_column(f"{above}\n{label}", justify="right")
    if len(results) == 2:
        table.add_column("\nΔ Dice", justify="right")
    for key in row_keys(results):
        rows = [result.row(*key) for result in results]
        cells = [Text(key[1]), Text(str(max(row.images for row in rows if row is not None)))]
        for result, row in zip(results, rows, strict=True):
            for metric, _ in told:
                best = result.method in best_methods(results, key, metric)
                cells.append(Text(_percent(row, metric), style="bold" if best else ""))
        if len(results) == 2:
            cells.append(Text(difference(rows[0], rows[1])))
        if key[0] == "overall":
            table.add_section()
        table.add_row(*cells)
    return table


def difference(first: ScoresRow | None, second: ScoresRow | None) -> str:
    """Return how many points of Dice the second has over the first: ``+1.2``, ``−0.4``, ``0.0``."""
    if first is None or second is None:
        return "–"
    return signed(second.mean.dice - first.mean.dice)


def signed(difference: float, digits: int = 1) -> str:
    """Write a difference of shares in points: ``+1.2``, ``−0.4``, ``0.0``."""
    points = round(100 * difference, digits)
    return f"{points:+.{digits}f}".replace("-", "−") if points else f"{0:.{digits}f}"


def results_json(results: Sequence[MethodResult]) -> dict[str, Any]:
    """Return what the table shows, unrounded, between 0 and 1, for ``--json``."""
    return {
        "scores": "per-image mean and pooled, between 0 and 1",
        "empty_masks": EMPTY_MASKS.replace("100", "1"),
        "methods": [result.to_json() for result in results],
    }


def _percent(row: ScoresRow | None, metric: str) -> str:
    return "–" if row is None else percent(row.mean, metric)


def percent(scores: Scores, metric: str) -> str:
    """Write one score in percent with one decimal."""
    return f"{100 * getattr(scores, metric):.1f}"
