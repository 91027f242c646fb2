"""Finished cells on disk, and one command at a time at work on them."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path

from deconfound.benchmark.cells import Outcome
from deconfound.errors import RunFolderError
from deconfound.training.files import write_text
from deconfound.training.json_lines import read_lines
from deconfound.training.locks import locked


class Ledger:
    """The finished cells of a benchmark, a line each.

    Args:
        folder: where ``cells.jsonl`` is, or will be.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "cells.jsonl"

    def alone(self) -> AbstractContextManager[None]:
        """Let one command be at work in the folder, for as long as it is.

        Raises:
            RunFolderError: another one is, or the folder cannot be written.
        """
        return locked(self.path.parent / "lock", self._refuse)

    def _refuse(self) -> None:
        raise RunFolderError(
            f"{self.path.parent}: expected no other command at work there, found one; wait for it, "
            f"or choose another --out"
        )

    def outcomes(self) -> list[Outcome]:
        """Read every line.

        Raises:
            RunFolderError: the file cannot be read, or a line is no cell.
        """
        then = ", and the cell is trained again"
        return read_lines(self.path, "a finished cell", Outcome.from_json, then)

    def append(self, outcome: Outcome) -> None:
        """Add a finished cell; a kill leaves the file with it, or as it was."""
        found = [*self.outcomes(), outcome]
        write_text(self.path, "".join(json.dumps(each.to_json()) + "\n" for each in found))
