"""What lies on a lesion, set: as sharp and as grainy as the place it is put in."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from deconfound.estimators.doing.style import DARK

FINEST = 1 / 128
"""Deviation of the finest blur, in widths of the picture; each of the others has twice the last."""

BLURS = 3
"""How many there are; the detail between one and the next is a band."""

LEAST = 1e-3
"""Detail, in [0, 1] pixels, that every place is taken to have at least."""


def with_detail_of(image: Tensor, around: Tensor, carried: Tensor) -> Tensor:
    """Return pictures whose detail is as strong, band by band, as that of the places they go to.

    Blur, noise and grain lie all over a picture, on the lesion as about it. A band that is stronger
    here than there is damped; of one that is weaker, what is missing is added of that place's own
    grain. Strengths are medians over the surroundings: a hair, a vessel or letters are few of the
    pixels, and have no part in them.

    Args:
        image: (B, 3, H, W), RGB in [0, 1], where the lesions are.
        around: (B, 3, H, W), where they are put, without lesions of its own.
        carried: (B, H, W), bool; what is put there.

    Returns:
        (B, 3, H, W) in [0, 1]; as it was where a picture shows nothing but what is carried.
    """
    own, coarse = _bands(image)
    other, _ = _bands(around)
    here, there = (image.amax(dim=1) > DARK) & ~carried, around.amax(dim=1) > DARK
    for mine, theirs in zip(own, other, strict=True):
        ratio = (_strength(theirs, there) / _strength(mine, here)).nan_to_num(1.0)
        ratio = ratio[:, None, None, None]
        missing = (1 - ratio.clamp_min(1) ** -2).sqrt()
        coarse = coarse + mine * ratio.clamp_max(1) + theirs * missing
    return coarse.clamp(0, 1)


def _bands(image: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return the detail between each blur and the next, finest first, and the last blur."""
    blurred = [image]
    for step in range(BLURS):
        deviation = image.shape[-1] * FINEST * 2**step
        size = 2 * max(1, round(2 * deviation)) + 1
        blurred.append(F.gaussian_blur(image, [size, size], [deviation, deviation]))
    return [fine - coarse for fine, coarse in pairwise(blurred)], blurred[-1]


def _strength(band: Tensor, where: Tensor) -> Tensor:
    """Return the median size of a band there, (B,); nan where there is nothing to see."""
    size = torch.where(where[:, None], band.abs(), torch.nan)
    return size.flatten(1).nanmedian(dim=1).values.clamp_min(LEAST)
