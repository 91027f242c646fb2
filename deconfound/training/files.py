"""Writing files so that a reader, or a killed run, never meets half of one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from deconfound.errors import RunFolderError


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a neighbouring file, flush it to the disk, then rename it to ``path``.

    The neighbour's name is fixed, so that what a killed run left is overwritten by the next one.
    The folder is made where it is missing.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: Exception) -> RunFolderError:
    """Build the error for a file that cannot be written."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return RunFolderError(
        f"{path}: cannot be written ({reason}); free some space or choose another folder with --out"
    )


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, UTF-8."""
    write_atomically(path, lambda partial: _write(partial, text))


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON (no NaN) atomically, indented for people."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
