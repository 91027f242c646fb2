"""The interface of a do(z) that is carried out: the confounder is set, the lesion is kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from deconfound.component import Component
from deconfound.errors import ConfigurationError, ShapeError
from deconfound.registry import Registry


@dataclass(frozen=True, slots=True)
class Pictures:
    """A batch of training pictures with what is known of them.

    Attributes:
        image: (B, 3, H, W), RGB in [0, 1].
        mask: (B, H, W), int64; 0 is background.
        class_index: (B,), int64, the class of the one lesion; -1 unknown, or several.
    """

    image: Tensor
    mask: Tensor
    class_index: Tensor

    def where(self, chosen: Tensor, other: Pictures) -> Pictures:
        """Return the rows of ``other`` where ``chosen`` (B,) is true, our own elsewhere."""
        return Pictures(
            torch.where(chosen[:, None, None, None], other.image, self.image),
            torch.where(chosen[:, None, None], other.mask, self.mask),
            torch.where(chosen, other.class_index, self.class_index),
        )

    def take(self, rows: Tensor) -> Pictures:
        """Return some rows, in their order."""
        return Pictures(self.image[rows], self.mask[rows], self.class_index[rows])

    def with_image(self, image: Tensor) -> Pictures:
        """Return the same pictures with other pixels."""
        return replace(self, image=image)


class Doing(Component, ABC):
    """Sets the confounder of pictures, whatever it was: z ~ P(z) instead of z ~ P(z | class).

    A model that is trained on such pictures meets every class under every confounder, as often as
    do(F) says. What the operation cannot change stays confounded. Used in training alone; holds no
    parameters.

    Args:
        probability: share of the pictures that are touched, in [0, 1].

    Raises:
        ConfigurationError: a probability outside [0, 1].
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0 <= probability <= 1:
            raise ConfigurationError(
                f"{type(self).__name__}: probability must lie in [0, 1], found {probability}"
            )
        self.probability = probability

    def forward(self, pictures: Pictures, generator: torch.Generator) -> Pictures:
        """Set the confounder of a share of the pictures.

        Args:
            pictures: B of them; donors are drawn among them too.
            generator: on the CPU; all that is drawn comes from it.

        Returns:
            Pictures of the same shapes.

        Raises:
            ShapeError: image, mask and class index that do not fit each other.
        """
        check_pictures(type(self).__name__, pictures)
        count = len(pictures.image)
        chosen = torch.rand(count, generator=generator) < self.probability
        if not chosen.any():
            return pictures
        done = self.do(pictures, generator)
        return pictures.where(chosen.to(pictures.image.device), done)

    @abstractmethod
    def do(self, pictures: Pictures, generator: torch.Generator) -> Pictures:
        """Set the confounder of every picture; shapes as in `forward`."""

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"probability": self.probability}


def check_pictures(name: str, pictures: Pictures) -> None:
    """Raise ShapeError unless image is (B, 3, H, W), mask (B, H, W), class index (B,)."""
    image, mask, classes = pictures.image, pictures.mask, pictures.class_index
    fits = image.ndim == 4 and image.shape[1] == 3
    if not fits or mask.shape != (len(image), *image.shape[2:]) or classes.shape != (len(image),):
        raise ShapeError(
            f"{name}: expected image (B, 3, H, W), mask (B, H, W) and class index (B,), found "
            f"{tuple(image.shape)}, {tuple(mask.shape)} and {tuple(classes.shape)}"
        )


doings: Registry[Doing] = Registry("do(z)", "deconfound.doings")
