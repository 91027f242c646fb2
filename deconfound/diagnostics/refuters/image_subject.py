"""What subjects that look at images have in common: a model is scored, image by image."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from deconfound.diagnostics.refuters.base import LinearView
from deconfound.errors import ShapeError
from deconfound.estimators.weighting.reading import TEMPERATURE, read_posterior
from deconfound.overlap import confusion_counts, per_image_scores, predicted_mask
from deconfound.segmenter import CausalSegmenter
from deconfound.types import Confounders, Explanation

Images = Any
"""A map-style dataset of items with ``image`` (3, H, W) in [0, 1] and ``mask`` (H, W), int64."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one model makes of all images.

    Attributes:
        dice: (n,), of each.
        view: lesion area on predicted area, both as shares, given the reading of the images.
    """

    dice: Tensor
    view: LinearView


class ImageSubject(ABC):
    """Scores a model on images, each unit by its Dice.

    Under one dictionary and seed there is one answer; it is remembered by the dictionary's own
    numbers, never by its name, so that another dictionary cannot meet it.

    Args:
        images: on which confounding is broken: another site, or an interventional sample.
        groups: the patient or sequence of each image; by default each is its own.
        batch_size: images at once.
        temperature: at which pooled embeddings are read against the dictionary.
    """

    def __init__(
        self,
        images: Images,
        groups: Sequence[str] | None = None,
        batch_size: int = 16,
        temperature: float = TEMPERATURE,
    ) -> None:
        names = [str(i) for i in range(len(images))] if groups is None else list(groups)
        if len(names) != len(images):
            raise ShapeError(
                f"{type(self).__name__}: expected a group for each of {len(images)} images, "
                f"found {len(names)}; give one each"
            )
        positions = {name: i for i, name in enumerate(dict.fromkeys(names))}
        self.groups = torch.tensor([positions[name] for name in names])
        self.images: Images = images
        self.batch_size = batch_size
        self.temperature = temperature
        self._known: dict[tuple[Any, ...], Look] = {}

    @abstractmethod
    def dictionary(self) -> Confounders:
        """Return the real dictionary."""

    @abstractmethod
    def model_with(self, confounders: Confounders, seed: int) -> CausalSegmenter:
        """Return a model, in evaluation mode, that has seen no other dictionary."""

    def estimate(self, confounders: Confounders, seed: int = 0) -> Tensor:
        """Return the Dice of every image, (n,)."""
        return self.look(confounders, seed).dice

    def linear_view(self, confounders: Confounders, seed: int = 0) -> LinearView:
        """Return lesion area on predicted area, both as shares, given the reading of the images."""
        return self.look(confounders, seed).view

    def look(self, confounders: Confounders, seed: int = 0) -> Look:
        """Return all that is asked of a model; one pass over the images gives both."""
        key = (*numbers(confounders), self._seed(seed))
        if key not in self._known:
            self._known[key] = self._looked(self.model_with(confounders, seed))
        return self._known[key]

    def _seed(self, seed: int) -> int:
        """Return the seed as far as it makes a difference."""
        return seed

    def _variant(self, **changes: Any) -> Self:
        """Return a subject that differs, and remembers nothing."""
        other = copy.copy(self)
        vars(other).update(changes, _known={})
        return other

    def _looked(self, model: CausalSegmenter) -> Look:
        counts, views = [], []
        for traced, mask in self.traces(model):
            counts.append(
                confusion_counts(predicted_mask(traced.logits).cpu(), mask, model.classes)
            )
            views.append(self._view(traced, mask))
        dice = torch.from_numpy(per_image_scores(torch.cat(counts).numpy())[:, 0])
        parts = (torch.cat(part) for part in zip(*views, strict=True))
        return Look(dice, LinearView(*parts))

    def _view(self, traced: Explanation, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = traced.logits.float()
        one = logits.shape[1] == 1
        lesion = logits.sigmoid()[:, 0] if one else 1 - logits.softmax(dim=1)[:, 0]
        reading = read_posterior(traced.pooled.float(), traced.confounders, self.temperature)
        area = (mask > 0).double().mean(dim=(1, 2))
        return area, lesion.double().mean(dim=(1, 2)).cpu(), reading.double().cpu()

    @torch.no_grad()
    def traces(self, model: CausalSegmenter) -> Iterator[tuple[Explanation, Tensor]]:
        """Run a model over all images; yields what it computed, and the masks (B, H, W)."""
        device = next(model.parameters()).device
        for batch in DataLoader(self.images, self.batch_size):
            yield model.trace(model.normalize(batch["image"].to(device))), batch["mask"]


def numbers(confounders: Confounders) -> tuple[Any, ...]:
    """Return a dictionary's numbers, to be compared one by one."""
    embeddings = confounders.embeddings.detach().cpu().double()
    prior = confounders.prior.detach().cpu().double()
    return tuple(embeddings.shape), embeddings.numpy().tobytes(), prior.numpy().tobytes()
