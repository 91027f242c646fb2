"""Surroundings without their lesion: it is painted over with what lies across the picture."""

from __future__ import annotations

import torch
from torch import Tensor

from deconfound.estimators.doing.base import Pictures
from deconfound.estimators.doing.edges import grown, soft_edge

MIRRORS: tuple[tuple[int, ...], ...] = ((-1,), (-2,), (-2, -1))
"""Axes of a picture that are turned over: left-right, upside down, both."""


def paint_over(pictures: Pictures, margin: float = 0.0) -> Pictures:
    """Replace each lesion by the mirrored picture, whichever of three mirrors shows least of it.

    The patch comes from the same picture, so it has its light, palette, sharpness and distance, and
    lies as far from the centre as the lesion did. What of the lesion meets its own mirror image
    stays, with its label: nothing is called normal tissue that is not.

    Args:
        pictures: B of them.
        margin: width of the surroundings that are painted over with it, as of `Transplant`.

    Returns:
        Pictures of the same shapes; a class index is -1 where no lesion is left.
    """
    lesion = pictures.mask > 0
    region = grown(lesion, margin)
    mirrored = torch.stack([lesion.flip(axes) for axes in MIRRORS])
    best = (mirrored & region).flatten(2).sum(dim=2).argmin(dim=0)  # (B,)
    patch = _pick([pictures.image.flip(axes) for axes in MIRRORS], best)
    left = region & _pick(list(mirrored), best)
    share = soft_edge(region) * ~left[:, None]
    image = share * patch + (1 - share) * pictures.image
    mask = torch.where(left, pictures.mask, 0)
    remains = (mask > 0).flatten(1).any(dim=1)
    return Pictures(image, mask, torch.where(remains, pictures.class_index, -1))


def _pick(choices: list[Tensor], best: Tensor) -> Tensor:
    """Return for every row the one of several tensors (B, …) that is meant by ``best`` (B,)."""
    rows = torch.arange(len(best), device=best.device)
    return torch.stack(choices)[best, rows]
