"""A vision tower as an encoder of segmentation-models-pytorch."""

from __future__ import annotations

from torch import Tensor, nn

from deconfound.encoders.pyramid import TowerPyramid
from deconfound.errors import ConfigurationError
from deconfound.vlm import VisionTower


class TowerEncoder(nn.Module):
    """Tower and pyramid behind the interface that SMP's models expect of ``model.encoder``.

    Assign it to an SMP model's ``encoder``, or build a decoder from its `out_channels`. Dilation is
    a resampling of the deep levels: CLIP's ResNets stride by pooling, which SMP's own
    ``make_dilated`` would leave as it is without a word.

    Args:
        tower: reads the images.
        pyramid: turns the tower's stages into SMP's list; one that fits the tower when omitted.
        depth: how many levels below the image are returned, 1 to 5.
        output_stride: stride of the deepest level.

    Raises:
        ConfigurationError: a depth or stride that the pyramid does not have.
    """

    _is_torch_scriptable = False
    _is_torch_exportable = True
    _is_torch_compilable = True

    def __init__(
        self,
        tower: VisionTower,
        pyramid: TowerPyramid | None = None,
        depth: int = 5,
        output_stride: int = 32,
    ) -> None:
        super().__init__()
        self.tower = tower
        self.pyramid = pyramid or TowerPyramid.for_tower(tower)
        self.pyramid.set_output_stride(output_stride)
        self.pyramid.set_depth(depth)
        self._depth = depth
        self._in_channels = 3

    @property
    def out_channels(self) -> list[int]:
        """Channels of the maps that `forward` returns."""
        return list(self.pyramid.out_channels)

    @property
    def output_stride(self) -> int:
        """Stride of the deepest map that `forward` returns."""
        return self.pyramid.strides[-1]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return maps at strides 1, 2, 4, … for images (B, 3, H, W) as `normalize` gives them."""
        return self.pyramid(x, self.tower(x).stages)

    def make_dilated(self, output_stride: int) -> None:
        """Bring the deep levels to stride 8 or 16, as SMP's dilated decoders ask.

        Raises:
            ConfigurationError: another stride.
        """
        if output_stride not in (8, 16):
            raise ConfigurationError(f"dilation to stride 8 or 16 is possible, got {output_stride}")
        self.pyramid.set_output_stride(output_stride)

    def set_in_channels(self, in_channels: int, pretrained: bool = True) -> None:
        """Accept three channels, which is what a vision-language tower reads.

        Raises:
            ConfigurationError: another number of channels.
        """
        if in_channels != 3:
            raise ConfigurationError(
                f"a vision-language tower reads RGB: expected in_channels=3, got {in_channels}"
            )
