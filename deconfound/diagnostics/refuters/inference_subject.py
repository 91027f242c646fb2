"""A trained model as a subject, run again: cheap."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from deconfound.diagnostics.refuters.base import LinearView
from deconfound.diagnostics.refuters.image_subject import Images, ImageSubject
from deconfound.diagnostics.refuters.placebo import rotated
from deconfound.dictionaries import TextPromptDictionary
from deconfound.estimators.weighting import read_posterior
from deconfound.segmenter import CausalSegmenter
from deconfound.types import Confounders, Explanation


class InferenceSubject(ImageSubject):
    """Runs a trained model again: cheap, and it doubts what the model does, not how it learned.

    Every estimate is made by a copy of a model that was saved and loaded and never run: it has the
    weights, and nothing that was computed on the way with another dictionary.

    Args:
        model: whose adjustment is doubted; it is left as it is.
        images: see `ImageSubject`.
        groups: see `ImageSubject`.
        batch_size: see `ImageSubject`.
        temperature: at which its pooled embeddings are read against the dictionary.
    """

    def __init__(
        self,
        model: CausalSegmenter,
        images: Images,
        groups: Sequence[str] | None = None,
        batch_size: int = 16,
        temperature: float = 0.05,
    ) -> None:
        super().__init__(images, groups, batch_size)
        self.temperature = temperature
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
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.images), generator=generator).tolist()
        return self._variant(images=_OtherMasks(self.images, order))

    def with_placebo_regions(self, seed: int) -> InferenceSubject:
        """Return the subject with class embeddings turned by a random rotation."""
        unused = _copy(self._unused)
        unused.prompts.classes = rotated(unused.prompts.classes, seed)
        return self._variant(_unused=unused)

    def linear_view(self, confounders: Confounders) -> LinearView:
        """Return lesion area on predicted area, both as shares, given the reading of the images."""
        model = self.model_with(confounders)
        views = [self._view(traced, mask) for traced, mask in self.traces(model)]
        parts = (torch.cat(part) for part in zip(*views, strict=True))
        return LinearView(*parts)

    def _view(self, traced: Explanation, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = traced.logits.float()
        one = logits.shape[1] == 1
        lesion = logits.sigmoid()[:, 0] if one else 1 - logits.softmax(dim=1)[:, 0]
        reading = read_posterior(traced.pooled.float(), traced.confounders, self.temperature)
        area = (mask > 0).double().mean(dim=(1, 2))
        return area, lesion.double().mean(dim=(1, 2)).cpu(), reading.double().cpu()

    def _seed(self, seed: int) -> int:
        return 0

    def _variant(self, **changes: Any) -> InferenceSubject:
        other = copy.copy(self)
        vars(other).update(changes, _known={})
        return other


class _OtherMasks(Dataset[dict[str, Tensor]]):
    """Images beside the masks of others."""

    def __init__(self, images: Images, order: Sequence[int]) -> None:
        self.images, self.order = images, order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        other = self.images[self.order[index]]["mask"]
        return {"image": self.images[index]["image"], "mask": other}


def _copy(model: CausalSegmenter) -> CausalSegmenter:
    """Return a model of its own that shares its tensors with another."""
    tensors: list[Any] = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
