"""An SMP decoder over the vision tower itself: the picture is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from deconfound.decoders.architectures import SmpDecoder, levels_read
from deconfound.decoders.base import SegmentationBody
from deconfound.encoders import TowerPyramid
from deconfound.types import VisualFeatures


class TowerBody(SegmentationBody):
    """Tower stages → pyramid → decoder.

    Args:
        pyramid: turns the tower's stages into maps at strides 1, 2, 4, 8, 16, 32.
        decoder: reads the first ``decoder.depth + 1`` of them.
    """

    def __init__(self, pyramid: TowerPyramid, decoder: SmpDecoder) -> None:
        super().__init__()
        pyramid.set_depth(decoder.depth)
        pyramid.set_output_stride(decoder.output_stride)
        self.pyramid = pyramid
        self.decoder = decoder
        num_maps = decoder.depth + 1
        self.channels = tuple(pyramid.out_channels[:num_maps])
        self.strides = pyramid.strides[:num_maps]
        self.levels_read = levels_read(decoder.architecture, num_maps)
        self.classes = decoder.classes
        self.multiple = 32
        self.smallest_side = decoder.smallest_side

    def encode(self, images: Tensor, visual: VisualFeatures) -> tuple[list[Tensor], Any]:
        """Build the pyramid from the stages that the tower has computed already."""
        return self.pyramid(images, visual.stages)[: len(self.channels)], None

    def decode(self, pyramid: Sequence[Tensor], rest: Any) -> Tensor:
        """Decode; there is nothing beside the pyramid."""
        return self.decoder(pyramid)
