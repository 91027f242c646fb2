"""How a trained model is scored: lesion Dice with the class right, by class and confounder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deconfound.benchmark.cells import Table
from deconfound.simulation import CLASSES, RenderedSample
from deconfound.simulation.scm import SETTABLE


def lesion_dice(predicted: Tensor, mask: Tensor) -> Tensor:
    """Return 2·|right| / (|predicted lesion| + |lesion|) for every image, (n,).

    A pixel is right where it is lesion and its class is the true one, so that a lesion found and
    misnamed scores 0. Nothing there and nothing found is 1.

    Args:
        predicted: (n, H, W), 0 background, else class index + 1.
        mask: (n, H, W), likewise.
    """
    right = ((predicted == mask) & (mask > 0)).flatten(1).sum(dim=1)
    total = (predicted > 0).flatten(1).sum(dim=1) + (mask > 0).flatten(1).sum(dim=1)
    return torch.where(total > 0, 2 * right / total.clamp_min(1), 1.0)


@torch.no_grad()
def score(model: Any, sample: RenderedSample, batch: int = 50) -> tuple[Tensor, Tensor]:
    """Return the Dice of a model on every picture of a sample, (n,), and the same of any lesion.

    The second counts a lesion pixel whatever class it is given, and is no lower: what lies between
    the two was found and misnamed.
    """
    model.eval()
    device = next(model.parameters()).device
    named, found = [], []
    for images, masks in zip(sample.images.split(batch), sample.masks.split(batch), strict=True):
        logits = model(model.normalize(images.to(device).float() / 255))
        predicted, true = logits.argmax(dim=1).cpu(), masks.long()
        named.append(lesion_dice(predicted, true))
        found.append(lesion_dice((predicted > 0).long(), (true > 0).long()))
    return torch.cat(named), torch.cat(found)


def by_cell(dice: Tensor, sample: RenderedSample) -> Table:
    """Return mean Dice and number of pictures for each class and confounder that occurs."""
    table: dict[str, dict[str, tuple[float, int]]] = {}
    for k, lesion in enumerate(CLASSES):
        for z in sorted(set(sample.confounder.tolist())):
            rows = (sample.class_index == k) & (sample.confounder == z)
            if rows.any():
                name = SETTABLE[z] if z >= 0 else "none"
                mean = float(dice[rows].mean())
                table.setdefault(lesion, {})[name] = (mean, int(rows.sum()))
    return table
