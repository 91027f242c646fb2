"""What subjects that look at images have in common: a model is scored, image by image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from deconfound.errors import ShapeError
from deconfound.overlap import confusion_counts, per_image_scores, predicted_mask
from deconfound.segmenter import CausalSegmenter
from deconfound.types import Confounders, Explanation

Images = Any
"""A map-style dataset of items with ``image`` (3, H, W) in [0, 1] and ``mask`` (H, W), int64."""


class ImageSubject(ABC):
    """Scores a model on images, each unit by its Dice.

    Under one dictionary and seed there is one answer; it is remembered by the dictionary's own
    numbers, never by its name, so that another dictionary cannot meet it.

    Args:
        images: on which confounding is broken: another site, or an interventional sample.
        groups: the patient or sequence of each image; by default each is its own.
        batch_size: images at once.
    """

    def __init__(
        self, images: Images, groups: Sequence[str] | None = None, batch_size: int = 16
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
        self._known: dict[tuple[Any, ...], Tensor] = {}

    @abstractmethod
    def dictionary(self) -> Confounders:
        """Return the real dictionary."""

    @abstractmethod
    def model_with(self, confounders: Confounders, seed: int) -> CausalSegmenter:
        """Return a model, in evaluation mode, that has seen no other dictionary."""

    def estimate(self, confounders: Confounders, seed: int = 0) -> Tensor:
        """Return the Dice of every image, (n,)."""
        key = (*numbers(confounders), self._seed(seed))
        if key not in self._known:
            self._known[key] = self._dice(self.model_with(confounders, seed))
        return self._known[key]

    def _seed(self, seed: int) -> int:
        """Return the seed as far as it makes a difference."""
        return seed

    def _dice(self, model: CausalSegmenter) -> Tensor:
        counts = [
            confusion_counts(predicted_mask(traced.logits).cpu(), mask, model.classes)
            for traced, mask in self.traces(model)
        ]
        return torch.from_numpy(per_image_scores(torch.cat(counts).numpy())[:, 0])

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
