"""The seam to segmentation-models-pytorch: a list of maps goes in, logits come out.

A decoder of SMP reads a list of maps and nothing else, so an entry that is replaced at its own
shape keeps every architecture working.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from deconfound.types import VisualFeatures


class SegmentationBody(nn.Module, ABC):
    """A segmentation model, opened between its encoder and its decoder.

    Attributes:
        channels: channels of every map in the list, entry 0 being the image.
        strides: their strides, entry 0 being 1.
        levels_read: indices of the maps that the decoder looks at.
        classes: output channels.
        multiple: image sides must be multiples of this, in pixels.
        smallest_side: and no smaller than this.
        fixed_size: (H, W), where the encoder accepts no other size; None is the rule.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    levels_read: tuple[int, ...]
    classes: int
    multiple: int
    smallest_side: int
    fixed_size: tuple[int, int] | None = None

    def size_for(self, height: int, width: int) -> tuple[int, int]:
        """Return the size to which images of (height, width) are brought for this body."""
        if self.fixed_size is not None:
            return self.fixed_size
        rounded = (math.ceil(side / self.multiple) * self.multiple for side in (height, width))
        height, width = (max(side, self.smallest_side) for side in rounded)
        return height, width

    @abstractmethod
    def encode(self, images: Tensor, visual: VisualFeatures) -> tuple[list[Tensor], Any]:
        """Return the list of maps, and whatever else the decoder wants beside it.

        Args:
            images: (B, 3, H, W), sides being multiples of ``multiple``.
            visual: what the vision tower says of them.
        """

    @abstractmethod
    def decode(self, pyramid: Sequence[Tensor], rest: Any) -> Tensor:
        """Return logits (B, C, H, W) from maps shaped as `encode` gave them."""
