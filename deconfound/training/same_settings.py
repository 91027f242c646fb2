"""One folder, one set of settings: a run is resumed with the settings it began with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deconfound.errors import RunFolderError
from deconfound.training.files import as_object, read_json, write_json


def refuse_other_settings(
    folder: Path,
    what: str,
    then: Mapping[str, Any],
    now: Mapping[str, Any],
    may_differ: Iterable[str] = (),
    usual: Mapping[str, Any] | None = None,
) -> None:
    """Refuse to go on in a folder with other settings than it was begun with.

    What says where a run is, and not what it learns, may differ: its accelerator and its loading
    processes (`HARMLESS`), and what a command has of that kind. A setting that was not known yet
    when the folder was begun had its usual value, which has to do what was done before there was a
    setting; so a run goes on under a later version.

    Args:
        folder: for the error.
        what: what is resumed, in words ("run that is resumed").
        then: settings that it was begun with, JSON-like.
        now: settings that are given.
        may_differ: names of settings that are not compared; all are by default.
        usual: value of each setting that may be missing in ``then``; no setting may, by default.

    Raises:
        RunFolderError: with every setting that differs.
    """
    compared = {*then, *now}.difference(may_differ)
    then = {**(usual or {}), **then}
    different = sorted(key for key in compared if then.get(key) != now.get(key))
    if different:
        told = ", ".join(
            f"{key} ({_short(then.get(key))} then, {_short(now.get(key))} now)" for key in different
        )
        raise RunFolderError(
            f"{folder}: expected the settings of the {what}, found other values of {told}; give "
            f"the same settings, or choose another --out"
        )


def keep_settings(
    path: Path,
    kind: str,
    settings: Mapping[str, Any],
    begun: bool,
    usual: Mapping[str, Any] | None = None,
) -> None:
    """Write the settings that many models share; once there are models, they must be the same.

    Args:
        path: the file; its folder is made.
        kind: of what lies in the folder, in words ("study").
        settings: JSON-like.
        begun: whether there are models, with whose settings the file lies there.
        usual: as for `refuse_other_settings`.

    Raises:
        RunFolderError: other settings than those of the models; or a file that is lost or damaged,
            or cannot be written.
    """
    if not begun:
        write_json(path, settings)
        return
    there = read_json(path, f"the settings of a {kind}", as_object)
    refuse_other_settings(path.parent, f"{kind} that is there", there, settings, usual=usual)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
