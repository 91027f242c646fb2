"""All models of a run, or of a study, are given the same words, whenever they are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deconfound.errors import RunFolderError
from deconfound.packs import PromptPack
from deconfound.training.files import as_object, read_json, write_json


def keep_pack(folder: Path, pack: PromptPack, begun: bool) -> None:
    """Write a pack as ``pack.json``, or make sure that it is the one that is there.

    Settings hold its name or its path, and what lies there may be edited.

    Args:
        folder: of the run or the study.
        pack: as it is now.
        begun: whether models were begun with the one that is there; it is replaced otherwise.

    Raises:
        RunFolderError: another pack; or a file that is lost or damaged, or cannot be written.
    """
    path, now = folder / "pack.json", pack.to_mapping()
    if begun:
        then = read_json(path, "the pack that the models there were trained with", as_object)
        _refuse_another(path, pack.name, then, now)
    else:
        write_json(path, now)


def _refuse_another(path: Path, name: str, then: dict[str, Any], now: dict[str, Any]) -> None:
    different = sorted(part for part in {*then, *now} if then.get(part) != now.get(part))
    if different:
        raise RunFolderError(
            f"{path}: expected the pack that the models there were trained with, found another "
            f"{', '.join(different)} in {name}; restore its words, or choose another --out"
        )
