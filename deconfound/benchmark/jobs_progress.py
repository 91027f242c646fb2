"""One bar for models that are trained side by side, that moves as each is finished."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from statistics import mean
from types import TracebackType
from typing import TYPE_CHECKING

from deconfound.training.progress import clock

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn


class JobsProgress:
    """Tells how many models are finished, and how long the rest takes.

    The rest takes as many rounds as it needs, each as long as a finished model took on average. How
    many were finished in the time that passed would say nothing: those that began together end
    together, so that it is next to none at the end of a round and far too many a moment later.

    Args:
        models: how many there are to train, those that are finished left out.
        jobs: how many are trained at a time.
        console: where bar and lines go.
    """

    def __init__(self, models: int, jobs: int, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.console, self.models, self.jobs = console, models, jobs
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self.bar = Progress(*columns, _asking(self.left), console=console)
        self.task = self.bar.add_task("models", total=models)
        self.seconds: list[float] = []
        self.end: float | None = None

    def __enter__(self) -> JobsProgress:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def finished(self, line: str, seconds: float) -> None:
        """A model is trained and scored, as ``line`` tells, and took some seconds."""
        self.seconds.append(seconds)
        rounds = math.ceil((self.models - len(self.seconds)) / self.jobs)
        self.end = time.monotonic() + rounds * mean(self.seconds)
        self.bar.update(self.task, completed=len(self.seconds))
        self.console.print(f"  {line}", highlight=False, markup=False)

    def left(self) -> str:
        """Return the remaining time; nobody knows it before the first model is finished."""
        return "-:--" if self.end is None else clock(max(0.0, self.end - time.monotonic()))


def _asking(told: Callable[[], str]) -> ProgressColumn:
    """Return a column that is asked for its text whenever the bar is drawn."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Asking(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(told(), style="progress.remaining")

    return Asking()
