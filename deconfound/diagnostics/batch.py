"""The images that a summary looks at: few, spread evenly, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from deconfound.errors import DataError
from deconfound.evenly import evenly


class Images(Protocol):
    """A data set of items with ``image``, ``class_index`` and ``site_index``, as every one here."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, index: int, /) -> Mapping[str, Any]:
        """Return one item."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Images with what is known of them.

    Attributes:
        images: (n, 3, H, W), RGB in [0, 1].
        class_index: (n,) int64, -1 unknown.
        site_index: (n,) int64, positions in ``sites``.
        sites: S names.
        groups: n patients, or None where nobody knows.
    """

    images: Tensor
    class_index: Tensor
    site_index: Tensor
    sites: tuple[str, ...]
    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        count = len(self.images)
        lengths = [len(self.class_index), len(self.site_index)]
        lengths += [] if self.groups is None else [len(self.groups)]
        if self.images.ndim != 4 or self.images.shape[1] != 3 or set(lengths) != {count}:
            raise DataError(
                f"batch: expected images (n, 3, H, W) with n classes, sites and groups, found "
                f"{tuple(self.images.shape)} and {lengths}"
            )


def take_evenly(
    source: Images, sites: Sequence[str], limit: int = 64, groups: Sequence[str] | None = None
) -> Batch:
    """Take at most ``limit`` images of a data set, as many of each site as can be.

    Within a site they are spread evenly from first to last, so that none is picked by hand.

    Args:
        source: images of one size.
        sites: names, in the order of ``site_index``.
        limit: how many at most.
        groups: the patient of every image of the source.

    Raises:
        DataError: a limit or a data set with nothing in it.
    """
    if limit < 1 or not len(source):
        raise DataError(
            f"images to look at: expected one or more, found {len(source)} and a limit of {limit}"
        )
    # Many more than needed are never read: an item may mean a file.
    step = max(1, len(source) // (8 * limit))
    site_of = {row: int(source[row]["site_index"]) for row in range(0, len(source), step)}
    rows = _share_out(site_of, limit)
    items = [source[row] for row in rows]  # read again: all that were looked at need not fit
    return Batch(
        torch.stack([item["image"] for item in items]),
        torch.tensor([int(item["class_index"]) for item in items]),
        torch.tensor([int(item["site_index"]) for item in items]),
        tuple(sites),
        None if groups is None else tuple(groups[row] for row in rows),
    )


def _share_out(site_of: Mapping[int, int], limit: int) -> list[int]:
    """Return rows in order, taken from each site's own in turn until the limit is reached."""
    queues = [[row for row in site_of if site_of[row] == s] for s in sorted(set(site_of.values()))]
    share = [0] * len(queues)
    while sum(share) < min(limit, len(site_of)):
        open_queues = [q for q in range(len(queues)) if share[q] < len(queues[q])]
        share[min(open_queues, key=lambda q: share[q])] += 1
    chosen = []
    for queue, count in zip(queues, share, strict=True):
        chosen += [queue[i] for i in evenly(len(queue), count)]
    return sorted(chosen)
