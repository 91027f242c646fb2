"""The files of a run: written whole or not at all, and read back or named as damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

from deconfound.errors import RunFolderError
from deconfound.files import write_whole

T = TypeVar("T")


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
    return RunFolderError(
        f"{path}: cannot be written ({reason(error)}); free some space, or choose another folder"
    )


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, UTF-8."""
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON (no NaN) atomically, indented for people."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(
    path: Path,
    what: str,
    parse: Callable[[Any], T],
    remedy: str = "restore the file, or choose another --out",
) -> T:
    """Read back what `write_json` wrote.

    Args:
        path: the file.
        what: it holds, in words ("the settings of a study").
        parse: from what JSON makes of it to the record; its ValueError, KeyError, TypeError or
            AttributeError says that the file is damaged.
        remedy: what to do about it.

    Raises:
        RunFolderError: the file is missing, cannot be read, or is damaged.
    """
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFolderError(
            f"{path}: expected {what} as JSON, could not read it ({reason(error)}); {remedy}"
        ) from error


def reason(error: Exception) -> str:
    """Say without a class of Python's or a second path what went wrong with a file."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"no {error}" if isinstance(error, KeyError) else str(error)


def as_object(value: Any) -> dict[str, Any]:
    """Return what is a JSON object.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, dict):
        raise ValueError(f"it holds a {type(value).__name__}")
    return value
