"""One bar for models that are trained side by side, that moves as each is finished."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from statistics import mean
from typing import TYPE_CHECKING

from deconfound.training.models_progress import ModelsProgress
from deconfound.training.progress import clock

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn


class JobsProgress(ModelsProgress):
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
        self.models, self.jobs = models, jobs
        self.seconds: list[float] = []
        self.end_of_all: float | None = None
        super().__init__(models, console)

    def _remaining(self) -> ProgressColumn:
        return _asking(self.left)

    def finished_after(self, seconds: float, line: str) -> None:
        """A model took some seconds to be trained and scored, as ``line`` tells."""
        self.seconds.append(seconds)
        rounds = math.ceil((self.models - len(self.seconds)) / self.jobs)
        self.end_of_all = time.monotonic() + rounds * mean(self.seconds)
        self.finished(line)

    def left(self) -> str:
        """Return the remaining time; nobody knows it before the first model is finished."""
        if self.end_of_all is None:
            return "-:--"
        return clock(max(0.0, self.end_of_all - time.monotonic()))


def _asking(told: Callable[[], str]) -> ProgressColumn:
    """Return a column that is asked for its text whenever the bar is drawn."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Asking(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(told(), style="progress.remaining")

    return Asking()
