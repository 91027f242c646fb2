"""Samples as a torch dataset: decoded, resized, kept in memory, augmented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from deconfound.data.images import read_pair
from deconfound.data.masks import ClassMask, MaskRule
from deconfound.data.polygons import PolygonMask
from deconfound.data.samples import Sample
from deconfound.errors import DataError, unknown_name

Augment = Callable[[Tensor, Tensor, int, int], tuple[Tensor, Tensor]]
Pixels = tuple[Tensor, Tensor]


class FolderDataset(Dataset[dict[str, Any]]):
    """Images and masks from disk, at one size.

    Every file is decoded once: the pixels at the target size stay in memory, where all of them fit
    into ``cache_bytes``. Worker processes inherit what `preload` has read.

    Args:
        samples: pairs, of any sites.
        size: (H, W) of the items, or one number for both.
        classes: names of the lesion classes, in the order of class indices.
        sites: names of all sites, in the order of site indices; those of the samples, in order of
            appearance, by default.
        augment: called with (image uint8, mask uint8, epoch, index); None for evaluation.
        multiclass: masks hold 1…K, the class; else 1 for any lesion.
        cache_bytes: memory for decoded pixels; 0 keeps nothing.

    Raises:
        UnknownNameError: a sample's class or site that is not in the lists.
        DataError: no samples, or multi-class masks without a known class.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        size: int | tuple[int, int],
        classes: Sequence[str],
        sites: Sequence[str] | None = None,
        augment: Augment | None = None,
        multiclass: bool = False,
        cache_bytes: int = 1 << 30,
    ) -> None:
        if not samples:
            raise DataError("a dataset needs at least one image with a mask, found none")
        self.samples = tuple(samples)
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.classes = tuple(classes)
        self.sites = tuple(sites or dict.fromkeys(s.site for s in samples))
        self.augment = augment
        self.multiclass = multiclass
        self._labels = [self._label(sample) for sample in self.samples]
        needed = 4 * self.size[0] * self.size[1] * len(self.samples)
        self._cache: dict[int, Pixels] | None = {} if needed <= cache_bytes else None
        # Shared, so that workers which outlive an epoch see the next one.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.draw(index)

    def draw(self, index: int, again: int = 0) -> dict[str, Any]:
        """Return an item as it is shown after ``again`` times in the same epoch."""
        index = range(len(self))[index]
        image, mask = self._pixels(index)
        if self.augment is not None:
            image, mask = self.augment(image, mask, int(self._epoch), index + again * len(self))
        class_index, site_index = self._labels[index]
        return {
            "image": image.float() / 255,
            "mask": mask.long(),
            "class_index": class_index,
            "site_index": site_index,
            "index": index,
        }

    def as_found(self) -> FolderDataset:
        """Return the same images, not augmented; pixels in memory are shared."""
        found = copy(self)
        found.augment = None
        return found

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is running, so that its augmentation differs from the last one's."""
        self._epoch.fill_(epoch)

    def preload(self, progress: Callable[[int, int], None] | None = None, threads: int = 2) -> None:
        """Decode everything now, if it is to be kept.

        Args:
            progress: called with how many are done, and of how many.
            threads: decoding runs outside Python's lock.

        Raises:
            DataError: the first pair that cannot be read.
        """
        if self._cache is None:
            return
        with ThreadPoolExecutor(threads) as pool:
            for done, _ in enumerate(pool.map(self._pixels, range(len(self))), 1):
                if progress is not None:
                    progress(done, len(self))

    def _pixels(self, index: int) -> Pixels:
        """(3, H, W) and (H, W), uint8, at the target size."""
        if self._cache is None:
            return self._read(index)
        if index not in self._cache:
            self._cache[index] = self._read(index)
        return self._cache[index]

    def _read(self, index: int) -> Pixels:
        sample = self.samples[index]
        pixels, labels = read_pair(sample)
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        mask = self._target(torch.from_numpy(labels), index)
        image = F.resize(image, list(self.size), InterpolationMode.BILINEAR, antialias=True)
        mask = F.resize(mask[None], list(self.size), InterpolationMode.NEAREST_EXACT)[0]
        return image.contiguous(), mask.contiguous()

    def _target(self, mask: Tensor, index: int) -> Tensor:
        """The mask as the task asks for it."""
        if not self.multiclass:
            return (mask > 0).to(torch.uint8)
        if isinstance(self.samples[index].mask_rule, ClassMask):
            return mask
        return mask * (self._labels[index][0] + 1)

    def _label(self, sample: Sample) -> tuple[int, int]:
        """Class index, -1 where unknown, and site index."""
        if sample.site not in self.sites:
            raise unknown_name("site", sample.site, self.sites)
        site_index = self.sites.index(sample.site)
        if sample.class_name is None:
            if self.multiclass and not _needs_no_name(sample.mask_rule):
                raise DataError(
                    f"{sample.image}: multi-class training needs the lesion's class, found none; "
                    f"name it in a manifest, or train for lesion against background"
                )
            return -1, site_index
        if sample.class_name not in self.classes:
            raise unknown_name(f"class of {sample.image}", sample.class_name, self.classes)
        return self.classes.index(sample.class_name), site_index


def _needs_no_name(rule: MaskRule) -> bool:
    """Say whether a rule gives classes by itself, or no lesion at all."""
    return isinstance(rule, ClassMask) or rule == PolygonMask(())
