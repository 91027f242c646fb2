"""All models of a study that name one backbone start from the same weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deconfound.errors import RunFolderError, WeightsError
from deconfound.training.files import read_json, write_json
from deconfound.vlm.names import MINI
from deconfound.vlm.weights import find_weights

from .store import Store


def keep_weights(store: Store, backbones: Sequence[str]) -> None:
    """Write a digest of each backbone that is a path, or make sure that its weights are the same.

    A name of open_clip stands for published weights; what lies at a path may be trained further.
    The file is read for it, a second or two for a large one.

    Args:
        store: the study.
        backbones: vision-language models, as ``--vlm`` takes them.

    Raises:
        RunFolderError: other weights; or a file of digests that is lost or damaged.
        WeightsError: a path without weights, or with some that cannot be read.
    """
    path = store.folder / "weights.json"
    now = {name: _digest(file) for name in backbones if (file := _file_of(name)) is not None}
    with store.writing():
        begun = store.has_models()
        then = (
            read_json(path, "a digest of the weights of each backbone", _digests) if begun else {}
        )
        for name in now:
            if then.get(name, now[name]) != now[name]:
                raise RunFolderError(
                    f"{store.folder}: expected the weights of {name} that the study's models were "
                    f"trained with, found others; restore them, or choose another --out"
                )
        write_json(path, {**then, **now})


def _file_of(backbone: str) -> Path | None:
    """Return where the weights of a backbone lie; None where its name says which they are."""
    path = Path(backbone).expanduser()
    if backbone == MINI or not path.exists():
        return None
    return find_weights(path) if path.is_dir() else path


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"{file}: expected weights that can be read, found none ({error.strerror or error}); "
            f"give another file"
        ) from error


def _digests(known: Any) -> dict[str, str]:
    return {str(name): str(digest) for name, digest in known.items()}
