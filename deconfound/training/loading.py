"""The order of the images and the batches made of them: functions of seed, epoch and process."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence, Sized
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from deconfound.errors import DataError, DeconfoundError
from deconfound.estimators.weighting import weighted_order

Batch = dict[str, Any]


class ImageDataset(Protocol):
    """What the loop needs of a dataset: the batch contract's items, and a length.

    An item is a dict: ``image`` float32 (3, H, W) in [0, 1], ``mask`` int64 (H, W), and the
    integers ``class_index``, ``site_index`` and ``index``. A dataset whose items change from epoch
    to epoch (augmentation) offers ``set_epoch(epoch)``, and may be one that `DrawsAnew` or that is
    `ShownAsFound`.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Batch: ...


@runtime_checkable
class DrawsAnew(Protocol):
    """A declared capability: an image that is shown again in one epoch is augmented anew."""

    def draw(self, index: int, again: int) -> Batch:
        """Return the item as it is shown after ``again`` times in the same epoch."""


@runtime_checkable
class ShownAsFound(Protocol):
    """A declared capability: images that are augmented for training can be had without."""

    def as_found(self) -> ImageDataset:
        """Return the same images, in their order, not augmented."""


def derived_seed(seed: int, *position: int) -> int:
    """Mix a seed with a position in the run into an independent 32-bit seed."""
    return int(np.random.SeedSequence([seed, *position]).generate_state(1)[0])


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and every torch device."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (datasets of other libraries draw from the global state)
    torch.manual_seed(seed)


def training_order(
    images: int,
    seed: int,
    epoch: int,
    batch_size: int,
    rank: int = 0,
    world_size: int = 1,
    weights: Tensor | None = None,
) -> list[int]:
    """Return which images this process sees in one epoch, in order.

    Every process gets equally many full batches: a lone image in a last batch would break batch
    normalisation, and unequal counts would leave the other processes waiting. What does not fill a
    round of batches is left out, other images every epoch.

    An image that is drawn again, for the k-th time, is named index + k·images: `batches` asks for
    it augmented anew.

    Args:
        images: size of the training set.
        seed: of the run.
        epoch: 0-based.
        batch_size: images per step and process.
        rank: this process.
        world_size: number of processes.
        weights: (images,), how often each image is to be drawn, with repetition; None draws each
            once.
    """
    if weights is None:
        order = np.random.default_rng(derived_seed(seed, epoch)).permutation(images).tolist()
    else:
        order = _told_apart(weighted_order(weights, images, seed, epoch), images)
    together = batch_size * world_size
    usable = images - images % (together if images >= together else world_size)
    return order[:usable][rank::world_size]


def steps_per_epoch(images: int, batch_size: int, world_size: int = 1) -> int:
    """Return how many batches of :func:`training_order` every process sees in one epoch."""
    return max(images // (batch_size * world_size), 1)


def _told_apart(order: Sequence[int], images: int) -> list[int]:
    before: Counter[int] = Counter()
    drawn = []
    for index in order:
        drawn.append(index + before[index] * images)
        before[index] += 1
    return drawn


def evaluation_order(images: int, rank: int = 0, world_size: int = 1) -> list[int]:
    """Return this process's share of the images, in order."""
    return list(range(rank, images, world_size))


def batches(
    dataset: ImageDataset,
    order: Sequence[int],
    batch_size: int,
    workers: int,
    seed: int,
    pin_memory: bool = False,
) -> Iterator[Batch]:
    """Load the images of ``order`` in batches.

    Args:
        dataset: see :class:`ImageDataset`.
        order: dataset indices, further draws as `training_order` names them.
        batch_size: images per batch.
        workers: loading processes; 0 loads here.
        seed: of the loading processes' random states.
        pin_memory: prepare batches for the way to a GPU.

    Raises:
        DeconfoundError: as the dataset raised it, also from a loading process, where torch would
            put a whole traceback into the message.
    """
    loader: DataLoader[Batch] = DataLoader(
        cast(Dataset[Batch], _Guarded(dataset)),
        batch_size=batch_size,
        sampler=list(order),
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        generator=torch.Generator().manual_seed(seed),
    )
    for batch in loader:
        if isinstance(batch, DeconfoundError):
            raise batch
        yield batch


def require_images(dataset: Sized, what: str, at_least: int = 1) -> None:
    """Refuse a dataset that is too small to be used.

    Raises:
        DataError: it has fewer than ``at_least`` images.
    """
    if len(dataset) < at_least:
        raise DataError(
            f"the {what} set has {len(dataset)} images, at least {at_least} are needed; "
            f"give more data or another split"
        )


class _Guarded:
    """Hands an error over as an item, so that it crosses the process border as it is."""

    def __init__(self, dataset: ImageDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, drawn: int) -> Batch | DeconfoundError:
        again, index = divmod(drawn, len(self.dataset))
        try:
            if again and isinstance(self.dataset, DrawsAnew):
                return self.dataset.draw(index, again)
            return self.dataset[index]
        except DeconfoundError as error:
            return error


def _collate(items: list[Batch | DeconfoundError]) -> Batch | DeconfoundError:
    for item in items:
        if isinstance(item, DeconfoundError):
            return item
    return cast(Batch, default_collate(items))
