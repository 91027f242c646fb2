"""Refuters answered by training again: first what it takes, then the trainings."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from deconfound.diagnostics.refuters import RetrainSubject
from deconfound.refuting.ledger import Ledger
from deconfound.refuting.pictures import Pictures
from deconfound.refuting.recipe import Train
from deconfound.segmenter import CausalSegmenter
from deconfound.training.models_progress import ModelsProgress
from deconfound.types import Confounders


class Retraining(RetrainSubject):
    """Trains again what the ledger does not have.

    Until it is told how to `train_by`, it makes a rehearsal of it: what would be trained is noted,
    and gets no score, so that refuters can be asked how much they ask for.

    Args:
        dictionary: the real one.
        pictures: that are scored.
        ledger: of finished trainings.
        batch_size: images at once.

    Attributes:
        asked: names of the trainings that were asked for, each once, in order.
    """

    def __init__(
        self, dictionary: Confounders, pictures: Pictures, ledger: Ledger, batch_size: int = 16
    ) -> None:
        super().__init__(self._trained, dictionary, pictures.images, pictures.groups, batch_size)
        self.asked: dict[str, None] = {}
        self._ledger = ledger
        self._means: tuple[Train, ModelsProgress] | None = None

    @property
    def missing(self) -> int:
        """How many of those asked for are not in the ledger."""
        return sum(name not in self._ledger for name in self.asked)

    def train_by(self, train: Train, progress: ModelsProgress) -> None:
        """Train from now on, and tell of every step."""
        self._means = train, progress

    def estimate(self, confounders: Confounders, seed: int = 0) -> Tensor:
        """Return the Dice of every image, (n,), of a model that was trained with the dictionary."""
        name = self._ledger.name(confounders, seed)
        self.asked[name] = None
        if name not in self._ledger:
            if self._means is None:
                return torch.zeros(len(self.groups), dtype=torch.float64)
            self._finish(name, confounders, seed, self._means[1])
        return self._ledger.scores(name)

    def _finish(
        self, name: str, confounders: Confounders, seed: int, progress: ModelsProgress
    ) -> None:
        """Train and score, and keep it."""
        started = time.monotonic()
        scores = super().estimate(confounders, seed)
        seconds = time.monotonic() - started
        told = {"confounders": confounders.names, "repetition": seed, "seconds": seconds}
        self._ledger.add(name, scores, **told)
        progress.finished(
            f"repetition {seed + 1} with {_few(confounders.names)}: "
            f"Dice {100 * scores.mean():.1f}, {seconds:.0f} s"
        )

    def _trained(self, confounders: Confounders, seed: int) -> CausalSegmenter:
        assert self._means is not None
        train, progress = self._means
        return train(
            confounders, seed, self._ledger.work(self._ledger.name(confounders, seed)), progress
        )


def _few(names: tuple[str, ...]) -> str:
    """Return names as a line can hold them."""
    return names[0] if len(names) == 1 else f"{names[0]}, …, {names[-1]} ({len(names)})"
