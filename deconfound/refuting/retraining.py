"""Refuters answered by training again: first what it takes, then the trainings."""

from __future__ import annotations

import time

import torch

from deconfound.diagnostics.refuters import LinearView, RetrainSubject, Training
from deconfound.diagnostics.refuters.image_subject import Look
from deconfound.refuting.ledger import Ledger, changes
from deconfound.refuting.pictures import Pictures
from deconfound.refuting.recipe import Train
from deconfound.segmenter import CausalSegmenter
from deconfound.training.models_progress import ModelsProgress
from deconfound.types import Confounders

TOLD = {"dealt": "masks dealt out", "regions": "placebo regions"}
"""What is changed besides the dictionary, in words."""


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

    def look(self, confounders: Confounders, seed: int = 0) -> Look:
        """Return what a model that was trained with the dictionary makes of the pictures."""
        training = self.training(confounders, seed)
        name = self._ledger.name(training)
        self.asked[name] = None
        if name not in self._ledger:
            if self._means is None:
                return self._nothing(len(confounders.names))
            self._finish(name, training, self._means[1])
        return self._ledger.look(name)

    def _nothing(self, num_confounders: int) -> Look:
        """Return the look of a rehearsal."""
        blank = torch.zeros(len(self.groups), dtype=torch.float64)
        return Look(blank, LinearView(blank, blank, blank[:, None].expand(-1, num_confounders)))

    def _finish(self, name: str, training: Training, progress: ModelsProgress) -> None:
        """Train, unless another command has meanwhile, and tell of it."""
        with self._ledger.alone(name, progress.console.print):
            told = "made by another command" if name in self._ledger else self._make(name, training)
        besides = "".join(f", {TOLD[what]}" for what in changes(training))
        progress.finished(
            f"repetition {training.seed + 1} with {_few(training.confounders.names)}{besides}: "
            f"{told}"
        )

    def _make(self, name: str, training: Training) -> str:
        """Train and score, keep it, and return what came out in words."""
        started = time.monotonic()
        look = super().look(training.confounders, training.seed)
        seconds = time.monotonic() - started
        names, changed = training.confounders.names, changes(training)
        told = {"confounders": names, "repetition": training.seed, **changed, "seconds": seconds}
        self._ledger.add(name, look, **told)
        return f"Dice {100 * look.dice.mean():.1f}, {seconds:.0f} s"

    def _trained(self, training: Training) -> CausalSegmenter:
        assert self._means is not None
        train, progress = self._means
        return train(training, self._ledger.work(self._ledger.name(training)), progress)


def _few(names: tuple[str, ...]) -> str:
    """Return names as a line can hold them."""
    return names[0] if len(names) == 1 else f"{names[0]}, …, {names[-1]} ({len(names)})"
