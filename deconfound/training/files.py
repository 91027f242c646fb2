"""Writing the files of a run, each whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from deconfound.errors import RunFolderError
from deconfound.files import write_whole


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file as :func:`~deconfound.files.write_whole` does.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    try:
        write_whole(path, write)
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
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON (no NaN) atomically, indented for people."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
