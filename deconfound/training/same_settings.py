"""One folder, one set of settings: a run is resumed with the settings it began with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deconfound.errors import RunFolderError
from deconfound.training.files import unwritable, write_json


def refuse_other_settings(
    folder: Path,
    what: str,
    then: Mapping[str, Any],
    now: Mapping[str, Any],
    may_differ: Iterable[str] = (),
) -> None:
    """Refuse to go on in a folder with other settings than it was begun with.

    What says where a run is, and not what it learns, may differ: its accelerator and its loading
    processes (`HARMLESS`), and what a command has of that kind.

    Args:
        folder: for the error.
        what: what is resumed, in words ("run that is resumed").
        then: settings that it was begun with, JSON-like.
        now: settings that are given.
        may_differ: names of settings that are not compared; all are by default.

    Raises:
        RunFolderError: with every setting that differs.
    """
    compared = {*then, *now}.difference(may_differ)
    different = sorted(key for key in compared if then.get(key) != now.get(key))
    if different:
        told = ", ".join(
            f"{key} ({_short(then.get(key))} then, {_short(now.get(key))} now)" for key in different
        )
        raise RunFolderError(
            f"{folder}: expected the settings of the {what}, found other values of {told}; give "
            f"the same settings, or choose another --out"
        )


def keep_settings(path: Path, kind: str, settings: Mapping[str, Any], begun: bool = False) -> None:
    """Write the settings that many models share, or make sure that those there are the same.

    Args:
        path: the file; its folder is made.
        kind: of what lies in the folder, in words ("study").
        settings: JSON-like.
        begun: whether there are models, whose settings a file that is lost cannot tell; none by
            default.

    Raises:
        RunFolderError: other settings, a file that is damaged, or lost though there are models, or
            a folder that cannot be used.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        known = begun or path.exists()
        there = json.loads(path.read_text(encoding="utf-8")) if known else None
        if not isinstance(there, dict | None):
            raise ValueError(f"it holds a {type(there).__name__}")
    except (FileNotFoundError, ValueError) as error:
        raise RunFolderError(
            f"{path}: expected the settings of a {kind} as JSON, could not read them ({error}); "
            f"restore the file, or choose another --out"
        ) from error
    except OSError as error:
        raise unwritable(path.parent, error) from error
    if there is not None:
        refuse_other_settings(path.parent, f"{kind} that is there", there, settings)
    if there != settings:
        write_json(path, settings)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
