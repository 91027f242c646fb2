"""Where a run may go, and how its folder comes to be."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deconfound.errors import RunFolderError
from deconfound.training.files import write_json

README = """\
This folder is one run of deconfound.

config.json                        every setting of the run, defaults included
pack.json                          the prompt pack that the models are given
recipe.json                        which recipe made the run, for `deconfound refute`
metrics.jsonl                      one line of JSON per epoch and method: losses, validation scores
results.json                       Dice, IoU and accuracy on the held-out site, once trained
report.html                        curves, tables and pictures in one self-contained page; the
                                   recipe's `report THIS FOLDER` writes it again without
                                   training, and with --no-pictures for those who may see none
adjusting/<method>.json            what the adjustment read in the training images before the first
                                   step: a weight for each image, the share of transplanted lesions
models/<method>/                   the trained model: weights (safetensors), prompts, configuration
checkpoints/<method>/last.safetensors
                                   everything needed to resume after the last finished epoch
checkpoints/<method>/best.safetensors
                                   weights of the best epoch, by validation Dice
refute/                            record and page of `deconfound refute`, once it was run

A killed run resumes where it stopped when the same command is given again with
--out THIS FOLDER --resume. Checkpoints hold the whole model, parts that are not trained included.
Names that begin with a dot and end in .partial are unfinished writes; they can be deleted.
"""


def refuse_occupied(path: Path) -> None:
    """Refuse a place where something is already.

    Raises:
        RunFolderError: it is neither free nor an empty folder, or cannot be looked at.
    """
    # os.path, because pathlib raises where a folder above may not be entered.
    if os.path.exists(path) and not is_empty(path):
        what = "a folder that is not empty" if os.path.isdir(path) else "a file"
        raise RunFolderError(
            f"{path}: expected a new folder for the run, found {what}; choose another --out, "
            f"or --resume to continue the run in it"
        )
    for parent in path.parents:
        if os.path.isfile(parent):
            raise RunFolderError(
                f"{parent}: expected a folder to put the run in, found a file; choose another --out"
            )


def refuse_unwritable(path: Path) -> None:
    """Refuse a place that this user may not write to, without leaving a trace there.

    Raises:
        RunFolderError: the nearest folder that exists may not be written.
    """
    nearest = next(place for place in (path, *path.parents) if os.path.exists(place))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise RunFolderError(
            f"{nearest}: expected a folder that may be written, found one that may not; choose a "
            f"folder that you may write to with --out"
        )


def refuse_nothing(path: Path) -> None:
    """Refuse to go on where nothing was begun.

    Raises:
        RunFolderError: there is no folder, an empty one, or one that cannot be looked at.
    """
    if not os.path.exists(path) or is_empty(path):
        raise RunFolderError(
            f"--resume: expected a run to resume at {path}, found none; leave --resume out "
            f"to start it"
        )


def is_empty(path: Path) -> bool:
    """Say whether a folder holds nothing; a file is not an empty folder.

    Raises:
        RunFolderError: the folder cannot be listed.
    """
    try:
        return os.path.isdir(path) and not any(path.iterdir())
    except OSError as error:
        raise RunFolderError(
            f"{path}: expected a folder that can be listed, could not read it "
            f"({error.strerror or error}); choose a folder that you may write to with --out"
        ) from error


def build(path: Path, config: Mapping[str, Any]) -> None:
    """Make the folder in one step: a neighbour that is renamed, so that it is whole or not there.

    An empty folder that exists may be a mount point, which nothing can be renamed onto; it is
    filled instead, ``config.json``, by which a run is known, last.

    Raises:
        RunFolderError: the folder cannot be made.
    """
    try:
        if os.path.exists(path):
            _fill(path, config)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(
            tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        )
        try:
            _fill(partial, config)
            partial.chmod(path.parent.stat().st_mode & 0o777)
            partial.rename(path)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)  # ours alone: mkdtemp made it just now
            raise
    except OSError as error:
        raise RunFolderError(
            f"{path}: the run folder cannot be created ({error.strerror or error}); choose a "
            f"folder that you may write to with --out"
        ) from error


def _fill(path: Path, config: Mapping[str, Any]) -> None:
    (path / "README.txt").write_text(README, encoding="utf-8")
    (path / "checkpoints").mkdir()
    (path / "metrics.jsonl").touch()
    write_json(path / "config.json", dict(config))
