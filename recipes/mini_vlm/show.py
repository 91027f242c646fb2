"""What a person watches: a bar with rate and remaining time, and the table of figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from .evaluate import AIMS, NEEDS, Figure

console = Console(stderr=True)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "–/s")


@contextmanager
def progress(
    what: str, total: int, done: int = 0, quiet: bool = False
) -> Iterator[Callable[..., None]]:
    """Show a bar on standard error; yield what moves it by some steps, and may mend the total."""
    columns = (
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=quiet) as bar:
        task = bar.add_task(what, total=total, completed=done)
        yield lambda more, total=total: bar.update(task, advance=more, total=total)


def table(figures: Sequence[Figure]) -> None:
    """Print the figures on standard output, with what is asked of them."""
    rows = Table("figure", "value", "95 % interval", "n", "chance", "needed", "aim")
    for figure in figures:
        asked = [f"{bar[figure.name]:.0%}" if figure.name in bar else "" for bar in (NEEDS, AIMS)]
        interval = f"{figure.low:.1%} – {figure.high:.1%}"
        shares = f"{figure.value:.1%}", interval, str(figure.n), f"{figure.chance:.1%}"
        rows.add_row(figure.name, *shares, *asked)
    Console().print(rows)
