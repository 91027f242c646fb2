"""Finished trainings on disk, so that none is made twice."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from deconfound.diagnostics.refuters import LinearView, Training
from deconfound.diagnostics.refuters.image_subject import Images, Look, numbers
from deconfound.training.files import write_text
from deconfound.training.json_lines import read_lines
from deconfound.training.locks import locked
from deconfound.training.placing import refuse_unwritable

T = TypeVar("T")

VIEW = ("outcome", "treatment", "controls")
"""The parts of a linear view, as they are kept."""


class Ledger:
    """What every finished training made of the pictures, a line each; a folder for one in progress.

    A training is found by what its scores follow from: the method, the pictures that are scored,
    the numbers of the dictionary, the repetition, and what else was changed. Its settings and
    images are those of the run.

    Args:
        folder: where ``trainings.jsonl`` is, or will be.
        method: that is trained.
        images: that are scored.

    Raises:
        RunFolderError: a folder that may not be written, or a line that is no training.
    """

    def __init__(self, folder: Path, method: str, images: Images) -> None:
        refuse_unwritable(folder)
        self.path = folder / "trainings.jsonl"
        self.method = method
        self._pictures = _digest_of(images)
        self._looks = self._read()

    def name(self, training: Training) -> str:
        """Return the key of a training."""
        parts: tuple[Any, ...] = (
            *(self.method, self._pictures, numbers(training.confounders), training.seed),
            *changes(training).items(),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]

    def __contains__(self, name: str) -> bool:
        return name in self._looks

    def look(self, name: str) -> Look:
        """Return what a finished training made of the pictures, float64."""
        return self._looks[name]

    def work(self, name: str) -> Path:
        """Return where a training keeps its checkpoints; gone when it is added."""
        return self.path.parent / "work" / name

    @contextmanager
    def alone(self, name: str, say: Callable[[str], None]) -> Iterator[None]:
        """Let one command at a time make a training; others wait, and know of it when it is made.

        Args:
            name: of the training.
            say: told once, where another command is at it.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        folder = self.work(name)
        busy = f"{folder}: another command is at work on it; waiting"
        with locked(folder.with_suffix(".lock"), lambda: say(busy)):
            self._looks |= self._read()
            yield

    def add(self, name: str, look: Look, **remarks: Any) -> None:
        """Count a training as finished, beside those that another command finished meanwhile.

        Args:
            name: of the training.
            look: what it made of the n pictures.
            remarks: for whoever reads the file.
        """
        self._looks[name] = look
        view = {part: getattr(look.view, part).tolist() for part in VIEW}
        line = {"training": name, "method": self.method, **remarks, "scores": look.dice.tolist()}
        with locked(self.path.with_suffix(".lock")):
            lines = [*self._lines(dict), {**line, "view": view}]
            write_text(self.path, "".join(json.dumps(one) + "\n" for one in lines))
        if self.work(name).exists():
            shutil.rmtree(self.work(name))

    def _read(self) -> dict[str, Look]:
        """Return what every finished training made of the pictures."""
        return dict(self._lines(_finished))

    def _lines(self, parse: Callable[[Any], T]) -> list[T]:
        then = ", and the model is trained again"
        return read_lines(self.path, "a finished training", parse, then)


def _finished(line: Any) -> tuple[str, Look]:
    view = LinearView(*(_numbers(line["view"][part]) for part in VIEW))
    return str(line["training"]), Look(_numbers(line["scores"]), view)


def changes(training: Training) -> dict[str, int]:
    """Return what a training changes besides the dictionary, by the seed of each change."""
    seeds = {"dealt": training.dealt, "regions": training.regions}
    return {what: seed for what, seed in seeds.items() if seed is not None}


def _numbers(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _digest_of(images: Images) -> str:
    """Return what tells one set of pictures and masks from another."""
    digest = hashlib.sha256()
    for i in range(len(images)):
        item = images[i]
        for part in (item["image"], item["mask"]):
            digest.update(repr(tuple(part.shape)).encode() + part.numpy().tobytes())
    return digest.hexdigest()
