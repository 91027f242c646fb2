"""Rendered pictures as images in memory, as training reads them."""

from __future__ import annotations

import torch

from deconfound.data.memory import MemoryDataset
from deconfound.simulation import RenderedSite


def as_memory(drawn: RenderedSite, multiclass: bool) -> MemoryDataset:
    """Return every picture of a rendered site, with its patient.

    Args:
        drawn: the site.
        multiclass: masks hold the class; else 1 for any lesion.
    """
    items = [drawn[i] for i in range(len(drawn))]
    images = torch.stack([(255 * item["image"]).round().to(torch.uint8) for item in items])
    masks = torch.stack([item["mask"].to(torch.uint8) for item in items])
    masks = masks if multiclass else masks.clamp_max(1)
    where = torch.full((len(items),), drawn.site_index)
    return MemoryDataset(images, masks, drawn.classes, where, groups=drawn.groups)
