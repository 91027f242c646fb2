"""A table as a command prints and keeps it: in a terminal, as CSV, on a page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deconfound.training.files import write_text


@dataclass(frozen=True)
class Table:
    """What a command prints and keeps.

    Attributes:
        name: of its files.
        title: above it.
        columns: their heads.
        rows: cells as text, as long as ``columns``.
        notes: sentences below it.
        details: paragraphs below these, in the file alone: too long for a terminal.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    details: tuple[str, ...] = ()

    def with_note(self, text: str) -> Table:
        """Return the same table with a sentence more below it."""
        return replace(self, notes=(*self.notes, text))

    def as_rich(self) -> Any:
        """Return the table for a terminal."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table as RichTable

        table = RichTable(title=self.title, title_justify="left", box=SIMPLE_HEAD)
        table.pad_edge, table.padding = False, (0, 1, 0, 0)
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        return table

    def as_markdown(self) -> str:
        """Return the table for a page."""
        lines = [self.columns, ("---", *("--:" for _ in self.columns[1:])), *self.rows]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        notes = "\n\n".join([*self.notes, *self.details])
        return f"# {self.title}\n\n{body}\n\n{notes}\n"

    def write(self, folder: Path) -> None:
        """Write the table as CSV and Markdown."""
        import pandas as pd

        folder.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame(list(self.rows), columns=list(self.columns))
        write_text(folder / f"{self.name}.csv", frame.to_csv(index=False))
        write_text(folder / f"{self.name}.md", self.as_markdown())
