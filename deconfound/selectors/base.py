"""The interface of region selection."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from deconfound.component import Component
from deconfound.registry import Registry
from deconfound.types import Regions


class RegionSelector(Component, ABC):
    """Decides which locations of an image the intervention works on."""

    @abstractmethod
    def forward(self, dense: Tensor, class_embeddings: Tensor) -> Regions:
        """Select N locations of every image.

        N must follow from the grid alone, never from the values, so that shapes stay static.

        Args:
            dense: (B, d, h, w), features of every location in the joint image-text space.
            class_embeddings: (K, d), one text embedding per class.

        Returns:
            Regions with features (B, N, d) and index (B, N), the rows of ``dense`` at ``index``.
        """


selectors: Registry[RegionSelector] = Registry("region selector", "deconfound.selectors")
