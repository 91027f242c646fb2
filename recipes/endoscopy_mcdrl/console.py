"""What commands print besides their results: always to standard error."""

from __future__ import annotations

from rich.console import Console

from deconfound.training import is_main_process
from deconfound.training.reading import Watch

from .readers import Ignored


def note(console: Console, text: str) -> None:
    """Print one line, once in a distributed run."""
    if is_main_process():
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def note_ignored(console: Console, ignored: Ignored) -> None:
    """Print a line for each folder that was not read."""
    for folder, why in ignored:
        note(console, f"ignored    {folder} ({why})")


def beginning_at(progress: Watch, before: int, total: int) -> Watch:
    """Return the progress of one part of several: ``before`` were done, of ``total`` in all."""
    return lambda done, _: progress(before + done, total)
