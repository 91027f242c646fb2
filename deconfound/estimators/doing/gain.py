"""What lies on a lesion, set: as bright and as tinted as the place it is put in."""

from __future__ import annotations

import torch
from torch import Tensor

from deconfound.estimators.doing.edges import dilated

LEAST = 0.02
"""Brightness, in [0, 1] pixels, that every place is taken to have at least."""


def local_gain(image: Tensor, around: Tensor, lesion: Tensor) -> Tensor:
    """Return the factor of each colour that takes a lesion from its own place to another's light.

    Light and tint are multiplied onto tissue, so that a ratio of tissue here and there undoes the
    one and puts on the other, whatever the lesion's own colour (von Kries' rule). Both are medians
    in a ring about the lesion's place: a vignette, a shadow or a film elsewhere in the picture has
    no part in them, nor has a hair across it.

    Args:
        image: (B, 3, H, W), where the lesions are.
        around: (B, 3, H, W), where they are put, at the same place.
        lesion: (B, H, W), bool.

    Returns:
        (B, 3, 1, 1); 1 where there is no lesion, or no ring about it.
    """
    ring = _ring(lesion)
    own, other = _median(image, ring), _median(around, ring)
    return torch.where(own.isnan() | other.isnan(), 1.0, other / own)[..., None, None]


def _ring(lesion: Tensor) -> Tensor:
    """Return what lies between 1/24 and 1/7 of the width from a lesion, (B, H, W)."""
    width = lesion.shape[-1]
    return dilated(lesion, max(1, round(width / 7))) & ~dilated(lesion, max(1, round(width / 24)))


def _median(image: Tensor, where: Tensor) -> Tensor:
    """Return the median of each colour there, (B, 3), at least `LEAST`; nan where there is none."""
    chosen = torch.where(where[:, None], image, torch.nan).flatten(2)
    return chosen.nanmedian(dim=2).values.clamp_min(LEAST)
