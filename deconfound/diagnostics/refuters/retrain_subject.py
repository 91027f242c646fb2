"""A training as a subject, run again: honest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deconfound.diagnostics.refuters.image_subject import Images, ImageSubject
from deconfound.segmenter import CausalSegmenter
from deconfound.types import Confounders


class RetrainSubject(ImageSubject):
    """Trains again under every dictionary and seed: honest, and as dear as that many trainings.

    Args:
        train: from a dictionary and a seed to a trained model.
        dictionary: the real one.
        images: see `ImageSubject`.
        groups: see `ImageSubject`.
        batch_size: see `ImageSubject`.
    """

    def __init__(
        self,
        train: Callable[[Confounders, int], CausalSegmenter],
        dictionary: Confounders,
        images: Images,
        groups: Sequence[str] | None = None,
        batch_size: int = 16,
    ) -> None:
        super().__init__(images, groups, batch_size)
        self._train, self._real = train, dictionary

    def dictionary(self) -> Confounders:
        """Return the real dictionary."""
        return self._real

    def model_with(self, confounders: Confounders, seed: int) -> CausalSegmenter:
        """Train with the dictionary."""
        return self._train(confounders, seed).eval()
