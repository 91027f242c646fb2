"""Images beside the outcomes of others: a data set in which nothing is to be found."""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
from torch.utils.data import Dataset

OUTCOME = ("mask", "class_index")
"""What of an item is the outcome; the rest says what was seen, and where."""


class DealtOutcomes(Dataset[dict[str, Any]]):
    """A data set whose masks, and the classes that go with them, are dealt out at random.

    Each outcome is kept once, so that shares of lesions and classes, and where lesions usually lie,
    stay as they were; only what they have to do with the pictures is gone. Where images are
    augmented, a dealt mask is augmented as its own image would be.

    Args:
        images: map-style; its items are alike in size.
        seed: of the deal.
    """

    def __init__(self, images: Any, seed: int) -> None:
        self.images = images
        generator = torch.Generator().manual_seed(seed)
        self.order: list[int] = torch.randperm(len(images), generator=generator).tolist()

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.draw(index)

    def draw(self, index: int, again: int = 0) -> dict[str, Any]:
        """Return an item as it is shown after ``again`` times in the same epoch."""
        shown, other = self._item(index, again), self._item(self.order[index], again)
        return {**shown, **{key: other[key] for key in OUTCOME if key in other}}

    def as_found(self) -> DealtOutcomes:
        """Return the same images and outcomes, not augmented if they can be had so."""
        found = copy(self)
        if hasattr(self.images, "as_found"):
            found.images = self.images.as_found()
        return found

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is running, to images that change with it."""
        if hasattr(self.images, "set_epoch"):
            self.images.set_epoch(epoch)

    def _item(self, index: int, again: int) -> dict[str, Any]:
        anew = hasattr(self.images, "draw")
        return self.images.draw(index, again) if anew else self.images[index]
