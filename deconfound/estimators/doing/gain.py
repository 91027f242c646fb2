"""What lies on a lesion, set: as bright and as tinted as the place it is put in."""

from __future__ import annotations

import torch
from torch import Tensor

from deconfound.estimators.doing.edges import dilated, edge_width

UNBURNT = 0.9
"""Share of a lesion's pixels that stay below white, however bright the place."""

LEAST = 0.02
"""Brightness, in [0, 1] pixels, that every place is taken to have at least."""


def local_gain(image: Tensor, around: Tensor, lesion: Tensor) -> Tensor:
    """Return the factor of each colour that takes a lesion from its own place to another's light.

    Light and tint are multiplied onto tissue, so that a ratio of tissue here and there undoes the
    one and puts on the other, whatever the lesion's own colour (von Kries' rule). Both are medians
    in a ring about the lesion's place: a vignette, a shadow or a film elsewhere in the picture has
    no part in them, nor has a hair across it. A lesion is not lit until it burns out: where the
    ring says so, as where its own lies on a black frame, all colours are held back alike.

    Args:
        image: (B, 3, H, W), where the lesions are.
        around: (B, 3, H, W), where they are put, at the same place.
        lesion: (B, H, W), bool.

    Returns:
        (B, 3, 1, 1); 1 where there is no lesion, or no ring about it.
    """
    ring = _ring(lesion)
    own, other = _median(image, ring), _median(around, ring)
    factor = torch.where(own.isnan() | other.isnan(), 1.0, other / own)[..., None, None]
    return factor / _burnt((image * factor).amax(dim=1), lesion)[:, None, None, None]


def _burnt(brightness: Tensor, lesion: Tensor) -> Tensor:
    """Return how many times too bright each lesion would be, (B,); 1 where it is not."""
    bright = torch.where(lesion, brightness, torch.nan).flatten(1).nanquantile(UNBURNT, dim=1)
    return torch.where(bright > 1, bright, 1.0)


def _ring(lesion: Tensor) -> Tensor:
    """Return what lies between 1/24 and 1/7 of the width from a lesion, (B, H, W)."""
    far = max(1, round(lesion.shape[-1] / 7))
    return dilated(lesion, far) & ~dilated(lesion, edge_width(lesion))


def _median(image: Tensor, where: Tensor) -> Tensor:
    """Return the median of each colour there, (B, 3), at least `LEAST`; nan where there is none."""
    chosen = torch.where(where[:, None], image, torch.nan).flatten(2)
    return chosen.nanmedian(dim=2).values.clamp_min(LEAST)
