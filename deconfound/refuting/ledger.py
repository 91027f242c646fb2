"""Finished trainings on disk, so that none is made twice."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deconfound.diagnostics.refuters.image_subject import Images, numbers
from deconfound.errors import RunFolderError
from deconfound.training.files import unwritable, write_text
from deconfound.types import Confounders


class Ledger:
    """The scores of every finished training, a line each, and a folder for the one in work.

    A training is found by what its scores follow from: the method, the pictures that are scored,
    the numbers of the dictionary, the repetition. Its settings and images are those of the run.

    Args:
        folder: where ``trainings.jsonl`` is, or will be.
        method: that is trained.
        images: that are scored.

    Raises:
        RunFolderError: a folder that cannot be made, or a line that is no training.
    """

    def __init__(self, folder: Path, method: str, images: Images) -> None:
        self.path = folder / "trainings.jsonl"
        self.method = method
        self._pictures = _digest_of(images)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        except OSError as error:
            raise unwritable(self.path, error) from error
        self._lines = text.splitlines()
        self._scores = dict(self._parsed(n, line) for n, line in enumerate(self._lines, start=1))

    def name(self, confounders: Confounders, repetition: int) -> str:
        """Return by what a training is found."""
        parts = (self.method, self._pictures, numbers(confounders), repetition)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]

    def __contains__(self, name: str) -> bool:
        return name in self._scores

    def scores(self, name: str) -> Tensor:
        """Return the Dice of every image, (n,) float64."""
        return self._scores[name]

    def work(self, name: str) -> Path:
        """Return where a training keeps its checkpoints; gone when it is added."""
        return self.path.parent / "work" / name

    def add(self, name: str, scores: Tensor, **remarks: Any) -> None:
        """Count a training as finished.

        Args:
            name: of the training.
            scores: (n,).
            remarks: for whoever reads the file.
        """
        self._scores[name] = scores
        line = {"training": name, "method": self.method, **remarks, "scores": scores.tolist()}
        self._lines.append(json.dumps(line))
        write_text(self.path, "\n".join(self._lines) + "\n")
        if self.work(name).exists():
            shutil.rmtree(self.work(name))

    def _parsed(self, number: int, line: str) -> tuple[str, Tensor]:
        try:
            record = json.loads(line)
            return str(record["training"]), torch.tensor(record["scores"], dtype=torch.float64)
        except (ValueError, KeyError, TypeError) as error:
            raise RunFolderError(
                f"{self.path}, line {number}: expected a finished training as JSON, found "
                f"{line[:40]!r} ({error}); delete that line, and the model is trained again"
            ) from error


def _digest_of(images: Images) -> str:
    """Return what tells one set of pictures and masks from another."""
    digest = hashlib.sha256()
    for i in range(len(images)):
        item = images[i]
        for part in (item["image"], item["mask"]):
            digest.update(repr(tuple(part.shape)).encode() + part.numpy().tobytes())
    return digest.hexdigest()
