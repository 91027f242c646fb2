"""What a person sees while a model trains: one bar for all epochs, or a plain line an epoch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from deconfound.extras import missing_extra
from deconfound.training.history import EpochRecord
from deconfound.training.processes import is_main_process

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


class Watcher:
    """Is told how training goes, and tells nobody; subclasses do."""

    def begin(self, method: str, epochs: int, epochs_done: int, images: int) -> None:
        """Training starts; ``images`` is the number per epoch, over all processes."""

    def step(self, images: int, loss: float) -> None:
        """One optimizer step on ``images`` images is done."""

    def epoch(self, record: EpochRecord) -> None:
        """One epoch is done and validated."""

    def end(self) -> None:
        """Training ended, also by an error."""


class TrainingProgress(Watcher):
    """Live bar with rate, remaining time, loss and validation Dice; plain lines off a terminal.

    Args:
        console: where to write; default: standard error, so that ``--json`` keeps standard output.
    """

    def __init__(self, console: Console | None = None) -> None:
        try:
            from rich.console import Console as RichConsole
        except ImportError as error:
            raise missing_extra("rich", "the progress bar") from error
        self.console = console or RichConsole(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._quiet = not is_main_process()
        self._dice = "–"

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(self, *raised: object) -> None:
        self.end()

    def begin(self, method: str, epochs: int, epochs_done: int, images: int) -> None:
        """Start the bar of one method; a resumed one starts where it was."""
        self._method, self._epochs, self._images = method, epochs, images
        self._started, self._first = time.monotonic(), epochs_done
        self._now, self._dice = epochs_done, "–"
        if self._quiet or not self.console.is_terminal:
            return
        self._bar = _bar(self.console)
        self._task = self._bar.add_task(
            method,
            total=epochs * images,
            completed=epochs_done * images,
            state=f"epoch {min(epochs_done + 1, epochs)}/{epochs}",
        )
        self._bar.start()

    def step(self, images: int, loss: float) -> None:
        """Move the bar."""
        if self._bar is not None and self._task is not None:
            epoch = min(self._now + 1, self._epochs)
            state = f"epoch {epoch}/{self._epochs}  loss {loss:.3f}  val Dice {self._dice}"
            self._bar.update(self._task, advance=images, state=state)

    def epoch(self, record: EpochRecord) -> None:
        """Note an epoch's validation; where there is no bar, print its line."""
        self._now, self._dice = record.epoch + 1, f"{100 * record.val_dice:.1f}"
        if self._bar is None and not self._quiet:
            self.console.print(self._line(record), highlight=False, soft_wrap=True)

    def end(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _line(self, record: EpochRecord) -> str:
        spent = time.monotonic() - self._started
        left = spent / (self._now - self._first) * (self._epochs - self._now)
        return (
            f"{record.method}  epoch {self._now}/{self._epochs}  loss {record.loss:.4f}  "
            f"val Dice {100 * record.val_dice:.1f}{' (best)' if record.best else ''}  "
            f"{record.images / max(record.seconds, 1e-9):.0f} images/s  {clock(left)} left"
            f"{'' if record.intervening else '  (before the intervention)'}"
        )


def clock(seconds: float) -> str:
    """Write a duration as ``m:ss`` or ``h:mm:ss``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _bar(console: Console) -> Progress:
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.0f} images/s", style="cyan")

    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[state]}"),
        Rate(),
        Remaining(compact=True),
        TextColumn("left"),
        console=console,
        expand=True,
        refresh_per_second=4,
    )
