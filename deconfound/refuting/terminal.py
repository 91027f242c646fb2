"""What ``deconfound refute`` says in a terminal: the table."""

from __future__ import annotations

from pathlib import Path

from deconfound.diagnostics.refuters.base import Refuter
from deconfound.refuting.findings import Findings


def show(found: Findings, page: Path) -> None:
    """Print the table, and where the page is."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    colours = {"supported": "green", "refuted": "red", "inconclusive": "yellow"}
    passed_by = "" if found.intervening else " (saved before its intervention was turned on)"
    title = f"{found.method} on {found.source}{passed_by}: {found.verdict}"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for column in ("refuter", "effect", "95 % interval", "verdict"):
        table.add_column(column, justify="right" if column == "effect" else "left")
    for refuter, one in found.answers:
        interval = f"{one.low:+z.4f} … {one.high:+z.4f}" if one.answered else ""
        colour = colours[one.verdict]
        name = one.name if one.decisive else f"  {one.name}"
        if refuter.scale != Refuter.scale:
            name += f" ({refuter.scale})"
        effect = f"{one.effect:+z.4f}" if one.answered else "–"
        table.add_row(name, effect, interval, f"[{colour}]{one.verdict}[/{colour}]")
    out = Console()
    out.print(table)
    out.print(f"The report: {page}", highlight=False, soft_wrap=True)
