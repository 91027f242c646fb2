"""What the VLM reads, zero-shot, in training images before any of them is trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from deconfound.dictionaries.prior import as_prior
from deconfound.dictionaries.words import in_words
from deconfound.evaluating import evaluating
from deconfound.training.loading import ImageDataset, ShownAsFound
from deconfound.types import Confounders

Watch = Callable[[int, int], None]

Change = Callable[[dict[str, Any], int], Tensor]
"""From an item and its position to the picture (3, H, W) that is looked at in its place."""


def named_confounders(model: Any) -> Confounders:
    """Return the confounders that a picture can be said to show, on the CPU.

    They are the model's dictionary, as long as its rows are words. Clusters, class means and
    learned vectors name nothing; beside them, the pack's own prompts are read, with a uniform
    prior.

    Args:
        model: a :class:`~deconfound.CausalSegmenter`.
    """
    if not in_words(model.dictionary):
        names = model.pack.confounder_names
        return Confounders(model.prompts.confounders.cpu(), as_prior(None, names), names)
    z = model.dictionary()
    return Confounders(z.embeddings.detach().cpu(), z.prior.detach().cpu(), z.names)


@torch.no_grad()
def embed(
    model: Any,
    images: ImageDataset,
    progress: Watch | None = None,
    batch: int = 32,
    change: Change | None = None,
    rows: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the tower's embedding (n, d) of every image, and its class (n,).

    Args:
        model: a :class:`~deconfound.CausalSegmenter`; left as it was found.
        images: read `as_found`, whatever was trained on them before.
        progress: called with how many images were read, and of how many.
        batch: images at once.
        change: what is done to a picture first; nothing by default.
        rows: which images are looked at; all by default.
    """
    images = as_found(images)
    device = next(model.parameters()).device
    rows = range(len(images)) if rows is None else rows
    pooled, classes = [], []
    with evaluating(model):
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            items = [images[row] for row in some]
            shown = [
                item["image"] if change is None else change(item, row)
                for item, row in zip(items, some, strict=True)
            ]
            pictures = torch.stack(shown).to(device)
            pooled.append(model.tower(model.normalize(pictures)).pooled.cpu())
            classes += [int(item["class_index"]) for item in items]
            if progress is not None:
                progress(start + len(items), len(rows))
    return torch.cat(pooled), torch.tensor(classes)


def as_found(images: ImageDataset) -> ImageDataset:
    """Return the images without augmentation: what is read is what they are, not what was drawn.

    Where they cannot be had so, they are shown as the first epoch does: a resumed run reads the
    same.
    """
    found = images.as_found() if isinstance(images, ShownAsFound) else images
    if hasattr(found, "set_epoch"):
        found.set_epoch(0)
    return found
