"""The style of a picture as numbers: mean and covariance of the colours around the lesion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from deconfound.estimators.doing.base import Pictures
from deconfound.precision import in_double

DARK = 0.04
"""Pixels darker than this in all channels are the scope's black frame, or show nothing."""

FLOOR = 0.02**2
"""Variance, in [0, 1] pixels, that every direction of colour is taken to have at least."""


@dataclass(frozen=True, slots=True)
class Style:
    """First and second moments of a picture's colours.

    Attributes:
        mean: (B, 3, 1).
        spread: (B, 3, 3), the symmetric square root of the covariance.
        narrow: (B, 3, 3), its inverse.
    """

    mean: Tensor
    spread: Tensor
    narrow: Tensor

    def take(self, rows: Tensor) -> Style:
        """Return the styles of some rows."""
        return Style(self.mean[rows], self.spread[rows], self.narrow[rows])


def style_of(pictures: Pictures) -> Style:
    """Measure the surroundings: all that is neither lesion nor black frame.

    The lesion is left out so that how it differs from its surroundings is not part of the style.
    A picture that is all lesion is measured whole.
    """
    pixels = pictures.image.flatten(2)
    seen = (pixels.amax(dim=1) > DARK).to(pixels)
    around = seen * (pictures.mask.flatten(1) == 0)
    enough = around.sum(dim=1, keepdim=True) >= 16
    weight = torch.where(enough, around, torch.ones_like(around))
    weight = (weight / weight.sum(dim=1, keepdim=True))[:, None]
    mean = (pixels * weight).sum(dim=2, keepdim=True)
    centred = pixels - mean
    covariance = (centred * weight) @ centred.transpose(1, 2)
    values, vectors = torch.linalg.eigh(in_double(covariance))
    deviations = values.clamp_min(FLOOR).sqrt().to(pixels)[:, None]
    vectors = vectors.to(pixels)
    return Style(
        mean,
        (vectors * deviations) @ vectors.transpose(1, 2),
        (vectors / deviations) @ vectors.transpose(1, 2),
    )


def restyled(image: Tensor, own: Style, wanted: Style) -> Tensor:
    """Whiten by one style and colour by another, pixel by pixel; black frames stay black."""
    pixels = image.flatten(2)
    changed = wanted.spread @ (own.narrow @ (pixels - own.mean)) + wanted.mean
    seen = (pixels.amax(dim=1, keepdim=True) > DARK).to(pixels)
    return (seen * changed.clamp(0, 1) + (1 - seen) * pixels).view_as(image)
