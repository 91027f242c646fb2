"""Files of records, a line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from deconfound.errors import RunFolderError
from deconfound.training.files import reason

T = TypeVar("T")


def read_lines(path: Path, record: str, parse: Callable[[Any], T], then: str = "") -> list[T]:
    """Read every line; the last one is left out where a kill cut it short.

    Args:
        path: the file; there is no line in one that is missing.
        record: what a line holds, in words ("a finished cell").
        parse: from what JSON makes of a line to the record; its ValueError, KeyError or TypeError
            says that the line is damaged.
        then: what comes of it when a damaged line is deleted (", and …").

    Raises:
        RunFolderError: the file cannot be read, or a line is damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise RunFolderError(
            f"{path}: expected text, could not read it ({reason(error)}); restore the file, or "
            f"delete it"
        ) from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(parse(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            # What follows the last end of a line is nothing, or what a kill left of one.
            if number == len(lines) and isinstance(error, json.JSONDecodeError):
                break
            raise RunFolderError(
                f"{path}, line {number}: expected {record} as JSON, found {line[:40]!r} "
                f"({reason(error)}); delete that line{then}"
            ) from error
    return records
