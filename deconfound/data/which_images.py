"""Which images a dataset holds, by what is known of them without their pixels."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from deconfound.data.dataset import FolderDataset
from deconfound.data.dealt import DealtOutcomes
from deconfound.data.memory import MemoryDataset
from deconfound.data.samples import Sample


def which_images(images: Any) -> str | None:
    """Return a digest of a dataset's images, to tell them from as many others.

    It is of the site, the patient and the class of each image, in order, of the name of its file,
    and of where beside it its mask lies and how both are read; where all of them lie makes no
    difference. Other pixels under the same names are not seen.

    Args:
        images: a dataset of any kind.

    Returns:
        16 hexadecimal digits; None where nobody knows.
    """
    known = _known(images)
    return None if known is None else _digest(known)


def which_samples(samples: Sequence[Sample]) -> str:
    """Return the digest of images that lie on disk, as `which_images` does."""
    return _digest(_of_samples(samples))


def _digest(known: list[Any]) -> str:
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]


def _of_samples(samples: Sequence[Sample]) -> list[Any]:
    return [
        [one.site, one.image.name, one.group, one.class_name, one.channel_order, *_of_mask(one)]
        for one in samples
    ]


def _of_mask(sample: Sample) -> tuple[str, str]:
    """Return where beside its image a mask lies, and by which rule it is read."""
    beside = Path(os.path.relpath(sample.mask, sample.image.parent)).as_posix()
    rule = sample.mask_rule
    # What is no dataclass tells where in memory it lies, which is no property of it.
    return beside, repr(rule) if is_dataclass(rule) else type(rule).__name__


def _known(images: Any) -> list[Any] | None:
    """Return what is known of each image, as JSON takes it."""
    if isinstance(images, DealtOutcomes):
        own = _known(images.images)
        return None if own is None else [own, images.order]
    if isinstance(images, FolderDataset):
        return _of_samples(images.samples)
    if isinstance(images, MemoryDataset):
        groups = [None] * len(images) if images.groups is None else map(str, images.groups)
        where, classes = images.site_index.tolist(), images.class_index.tolist()
        return list(zip(where, groups, classes, strict=True))
    return None
