"""One bar for all models, that moves with every step of each."""

from __future__ import annotations

from typing import Any

from deconfound.benchmark.cells import Outcome
from deconfound.training.history import EpochRecord


class CellProgress:
    """Tells a rich progress bar how far all cells are; see ``training.Watcher``.

    Args:
        bar: a ``rich.progress.Progress``.
        cells: how many there are.
        finished: how many were finished before.
        console: where a line for each finished cell goes.
    """

    def __init__(self, bar: Any, cells: int, finished: int, console: Any) -> None:
        self.bar, self.console = bar, console
        self.before, self.done, self.share, self.per_step = finished, 0, 0.0, 0.0
        self.task = bar.add_task("models", total=cells)

    def begin(self, method: str, epochs: int, epochs_done: int, images: int) -> None:
        """A cell's training starts."""
        self.bar.update(self.task, description=METHOD.format(method))
        self.per_step = 1 / (epochs * max(images, 1))
        self.share = epochs_done / epochs

    def step(self, images: int, loss: float) -> None:
        """Some images are done."""
        self.share = min(self.share + images * self.per_step, 0.99)
        self.bar.update(self.task, completed=self.done + self.share)

    def epoch(self, record: EpochRecord) -> None:
        """An epoch is done; the bar knows already."""

    def end(self) -> None:
        """Training ended; scoring is left."""

    def finished(self, outcome: Outcome) -> None:
        """A cell is scored, now or in an earlier run."""
        self.done += 1
        self.share = 0.0
        self.bar.update(self.task, completed=self.done)
        if self.done > self.before:
            cell = outcome.cell
            self.console.print(
                f"  {cell.name}: {100 * outcome.interventional:.1f} interventional, "
                f"{100 * outcome.reversed:.1f} reversed, {outcome.seconds:.0f} s",
                highlight=False,
                markup=False,
            )


METHOD = "{:<12}"
"""Methods' names take equal room, so that the bar stays where it is."""
