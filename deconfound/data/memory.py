"""Images that are in memory already, as the same kind of dataset as a folder of files."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from deconfound.data.dataset import Augment
from deconfound.errors import ShapeError


class MemoryDataset(Dataset[dict[str, Any]]):
    """Images and masks as arrays.

    Args:
        images: (n, 3, H, W), uint8.
        masks: (n, H, W), uint8.
        class_index: (n,), int64; -1 for none or unknown.
        site_index: (n,), int64.
        augment: called with (image, mask, epoch, index); None for evaluation.
        groups: (n,), the patient of each, within its site; None where nobody knows.

    Raises:
        ShapeError: arrays of different lengths or sizes.
    """

    def __init__(
        self,
        images: Tensor,
        masks: Tensor,
        class_index: Tensor,
        site_index: Tensor,
        augment: Augment | None = None,
        groups: Sequence[str] | None = None,
    ) -> None:
        count = len(images)
        expected = (count, 3, *masks.shape[1:])
        lengths = {len(masks), len(class_index), len(site_index)}
        lengths |= set() if groups is None else {len(groups)}
        if tuple(images.shape) != expected or lengths != {count}:
            raise ShapeError(
                f"MemoryDataset: expected {count} images of shape {expected[1:]} with as many "
                f"masks, classes and sites, found images {tuple(images.shape)}, masks "
                f"{tuple(masks.shape)}, {len(class_index)} classes, {len(site_index)} sites and "
                f"{'no' if groups is None else len(groups)} groups"
            )
        self.images, self.masks = images, masks
        self.class_index, self.site_index = class_index, site_index
        self.augment = augment
        self.groups = None if groups is None else tuple(groups)
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.draw(index)

    def draw(self, index: int, again: int = 0) -> dict[str, Any]:
        """Return an item as it is shown after ``again`` times in the same epoch."""
        index = range(len(self))[index]
        image, mask = self.images[index], self.masks[index]
        if self.augment is not None:
            image, mask = self.augment(image, mask, int(self._epoch), index + again * len(self))
        return {
            "image": image.float() / 255,
            "mask": mask.long(),
            "class_index": int(self.class_index[index]),
            "site_index": int(self.site_index[index]),
            "index": index,
        }

    def take(self, rows: Sequence[int], augment: Augment | None = None) -> MemoryDataset:
        """Return some of the images, in that order."""
        index = torch.tensor(rows)
        groups = None if self.groups is None else [self.groups[row] for row in rows]
        return MemoryDataset(
            self.images[index],
            self.masks[index],
            self.class_index[index],
            self.site_index[index],
            augment,
            groups,
        )

    def as_found(self) -> MemoryDataset:
        """Return the same images, not augmented; pixels in memory are shared."""
        found = copy(self)
        found.augment = None
        return found

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is running, so that its augmentation differs from the last one's."""
        self._epoch.fill_(epoch)
