"""A trained model as a subject, run again: cheap."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from typing import Any

import torch

from deconfound.data.dealt import DealtOutcomes
from deconfound.diagnostics.refuters.image_subject import Images, ImageSubject
from deconfound.diagnostics.refuters.placebo_regions import turn_region_prompts
from deconfound.dictionaries import TextPromptDictionary
from deconfound.dictionaries.words import in_words
from deconfound.encoders.level_interventions import LevelErasure
from deconfound.errors import ConfigurationError
from deconfound.estimators.weighting.reading import TEMPERATURE
from deconfound.interventions import LeaceIntervention
from deconfound.segmenter import CausalSegmenter
from deconfound.types import Confounders


class InferenceSubject(ImageSubject):
    """Runs a trained model again: cheap, and it doubts what the model does, not how it learned.

    Every estimate is made by a copy of a model that was saved and loaded and never run: it has the
    weights, and nothing that was computed on the way with another dictionary.

    Args:
        model: whose adjustment is doubted; it is left as it is.
        images: see `ImageSubject`.
        groups: see `ImageSubject`.
        batch_size: see `ImageSubject`.
        temperature: see `ImageSubject`.

    Raises:
        ConfigurationError: a model with an eraser. What it erases was read with words before
            training, and would stay as it is under another dictionary.
    """

    def __init__(
        self,
        model: CausalSegmenter,
        images: Images,
        groups: Sequence[str] | None = None,
        batch_size: int = 16,
        temperature: float = TEMPERATURE,
    ) -> None:
        super().__init__(images, groups, batch_size, temperature)
        _refuse_erasers(model)
        with torch.no_grad():
            z = model.dictionary()
        self._real = Confounders(z.embeddings.detach(), z.prior.detach(), z.names)
        with tempfile.TemporaryDirectory() as folder:
            device = next(model.parameters()).device
            model.save_pretrained(folder)
            self._unused = CausalSegmenter.from_pretrained(folder, device)

    def dictionary(self) -> Confounders:
        """Return the dictionary that the model was given with."""
        return self._real

    def model_with(self, confounders: Confounders, seed: int = 0) -> CausalSegmenter:
        """Return a fresh copy of the model with another dictionary; weights are shared."""
        model = _copy(self._unused)
        z = TextPromptDictionary(confounders.names, confounders.embeddings, confounders.prior)
        model.dictionary = z.to(confounders.embeddings.device)
        return model

    def with_shuffled_outcomes(self, seed: int) -> InferenceSubject:
        """Return the subject with every mask beside another image."""
        return self._variant(images=DealtOutcomes(self.images, seed))

    def with_placebo_regions(self, seed: int) -> InferenceSubject:
        """Return the subject with class embeddings turned by a random rotation."""
        unused = _copy(self._unused)
        turn_region_prompts(unused, seed)
        return self._variant(_unused=unused)

    def _seed(self, seed: int) -> int:
        return 0


def _refuse_erasers(model: CausalSegmenter) -> None:
    for part in (model.intervention, model.level_intervention):
        if isinstance(part, (LeaceIntervention, LevelErasure)):
            remedy = (
                "train again with each dictionary (RetrainSubject, deconfound refute --retrain)"
                if in_words(model.dictionary)
                else "no refuter can doubt it beside a dictionary that is not made of words"
            )
            raise ConfigurationError(
                f"InferenceSubject: expected a model that reads its confounders when it runs, "
                f"found one with a {type(part).__name__}, which was fitted to them before "
                f"training; {remedy}"
            )


def _copy(model: CausalSegmenter) -> CausalSegmenter:
    """Return a model of its own that shares its tensors with another."""
    tensors: list[Any] = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
