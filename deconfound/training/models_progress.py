"""One bar for many models, that moves with every step of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from deconfound.extras import missing_extra
from deconfound.training.progress import Watcher

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn


METHOD = "{:<12}"
"""Methods' names take equal room, so that the bar stays where it is."""

REMEMBERED = 24 * 3600.0
"""Seconds of progress that the remaining time is told from: a job alone can take hours."""


class ModelsProgress(Watcher):
    """Tells how far all models are, and how long the rest takes.

    Args:
        models: how many there are to train, those that are finished left out.
        console: where bar and lines go.
    """

    def __init__(self, models: int, console: Console) -> None:
        try:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        except ImportError as error:
            raise missing_extra("rich", "the progress bar") from error
        self.console = console
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self.bar = Progress(
            *columns, self._remaining(), console=console, speed_estimate_period=REMEMBERED
        )
        self.task = self.bar.add_task("models", total=models)
        self.done, self.share, self.per_step = 0, 0.0, 0.0

    def _remaining(self) -> ProgressColumn:
        """Return the column of the remaining time."""
        from rich.progress import TimeRemainingColumn

        return TimeRemainingColumn()

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.bar.stop()

    def expect(self, models: int) -> None:
        """This many are left to train, where their number was a guess at the start."""
        self.bar.update(self.task, total=self.done + models)

    def begin(self, method: str, epochs: int, epochs_done: int, images: int) -> None:
        """A model's training starts."""
        self.bar.update(self.task, description=METHOD.format(method))
        self.per_step = 1 / (epochs * max(images, 1))
        self.share = epochs_done / epochs

    def step(self, images: int, loss: float) -> None:
        """Some images are done."""
        self.share = min(self.share + images * self.per_step, 0.99)
        self.bar.update(self.task, completed=self.done + self.share)

    def finished(self, line: str) -> None:
        """A model is trained and scored, as ``line`` tells."""
        self.done, self.share = self.done + 1, 0.0
        self.bar.update(self.task, completed=self.done)
        self.console.print(f"  {line}", highlight=False, markup=False)
