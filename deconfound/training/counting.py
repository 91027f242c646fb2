"""One bar for work that is counted, such as images that are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from deconfound.extras import missing_extra
from deconfound.training.processes import is_main_process
from deconfound.training.reading import Watch

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")


def counting(
    console: Console | None, what: str, work: Callable[[Watch], T], total: int | None = None
) -> T:
    """Do work that reports (done, total) behind a bar with the remaining time.

    Args:
        console: where the bar is drawn; None is standard error.
        what: is counted, in a word.
        work: is given whom to report to.
        total: how much there is, where that is known before the first report.

    Raises:
        ConfigurationError: rich is not installed.
    """
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
    except ImportError as error:
        raise missing_extra("rich", "the progress bar") from error
    console = console or Console(stderr=True)
    columns = (what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, transient=True, disable=not is_main_process()) as bar:
        task = bar.add_task(what, total=total)
        return work(lambda done, total: bar.update(task, completed=done, total=total))
