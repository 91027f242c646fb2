"""A training as a subject, run again: honest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deconfound.data.dealt import DealtOutcomes
from deconfound.diagnostics.refuters.image_subject import Images, ImageSubject
from deconfound.diagnostics.refuters.training import Training
from deconfound.estimators.weighting.reading import TEMPERATURE
from deconfound.segmenter import CausalSegmenter
from deconfound.types import Confounders


class RetrainSubject(ImageSubject):
    """Trains again under every dictionary and seed: honest, and as dear as that many trainings.

    Args:
        train: from what to train with to a trained model.
        dictionary: the real one.
        images: see `ImageSubject`.
        groups: see `ImageSubject`.
        batch_size: see `ImageSubject`.
        temperature: see `ImageSubject`.
    """

    def __init__(
        self,
        train: Callable[[Training], CausalSegmenter],
        dictionary: Confounders,
        images: Images,
        groups: Sequence[str] | None = None,
        batch_size: int = 16,
        temperature: float = TEMPERATURE,
    ) -> None:
        super().__init__(images, groups, batch_size, temperature)
        self._train, self._real = train, dictionary
        self._dealt: int | None = None
        self._regions: int | None = None

    def dictionary(self) -> Confounders:
        """Return the real dictionary."""
        return self._real

    def training(self, confounders: Confounders, seed: int) -> Training:
        """Return what is trained under a dictionary and a seed."""
        return Training(confounders, seed, self._dealt, self._regions)

    def model_with(self, confounders: Confounders, seed: int) -> CausalSegmenter:
        """Train with the dictionary."""
        return self._train(self.training(confounders, seed)).eval()

    def with_shuffled_outcomes(self, seed: int) -> RetrainSubject:
        """Return the subject with outcomes dealt out, of training images and of scored ones."""
        return self._variant(images=DealtOutcomes(self.images, seed), _dealt=seed)

    def with_placebo_regions(self, seed: int) -> RetrainSubject:
        """Return the subject whose models are trained with regions of turned prompts."""
        return self._variant(_regions=seed)
