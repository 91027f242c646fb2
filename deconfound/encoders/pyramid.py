"""From a vision tower's stages to the list of maps that SMP decoders read."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from deconfound.errors import ConfigurationError, ShapeError, unknown_name
from deconfound.vlm import VisionTower
from deconfound.vlm.positions import resample

KINDS = ("vit", "resnet")
CHANNELS = (3, 32, 64, 128, 256, 512)
OUTPUT_STRIDES = (4, 8, 16, 32)

# Which of a ViT's four stages feeds the levels at strides 2, 4, 8, 16, 32.
STAGE_OF_LEVEL = (0, 0, 1, 2, 3)
DETAIL_LEVELS = (1, 2)


class TowerPyramid(nn.Module):
    """Maps at strides 1 (the image itself), 2, 4, 8, 16, 32 from a vision tower's stages.

    ``"resnet"``: the five stages have these strides already and pass through unchanged, at their
    own width. ``"vit"``: each level is a stage, normalised, projected by a 1×1 convolution and
    resampled; a light convolutional stem adds to the levels at strides 2 and 4 the image's own
    detail, which tokens of 14 or 16 pixels do not hold. Stages of any size are resampled to exactly
    ceil(side / stride).

    Args:
        stage_channels: channels of the stages, shallow to deep: four for ``"vit"``, five for
            ``"resnet"``.
        kind: ``"vit"`` or ``"resnet"``.
        out_channels: of the six maps, the image's three first; for ``"resnet"`` they are given by
            the stages and must be left out.

    Attributes:
        out_channels: channels of the maps, six unless `set_depth` made them fewer.
        output_stride: stride of the deepest map; levels beyond it are resampled to it.

    Raises:
        UnknownNameError: another kind.
        ConfigurationError: numbers of channels that do not fit.
    """

    def __init__(
        self,
        stage_channels: Sequence[int],
        kind: str = "vit",
        out_channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise unknown_name("kind of pyramid", kind, KINDS)
        self.kind = kind
        self.stage_channels = tuple(stage_channels)
        self.out_channels = _out_channels(kind, self.stage_channels, out_channels)
        self.output_stride = 32
        self.laterals = nn.ModuleList()
        self.detail = nn.ModuleList()
        if kind == "vit":
            pairs = zip(STAGE_OF_LEVEL, self.out_channels[1:], strict=True)
            self.laterals.extend(_lateral(self.stage_channels[i], width) for i, width in pairs)
            widths = self.out_channels[: len(DETAIL_LEVELS) + 1]
            self.detail.extend(_detail(*pair) for pair in itertools.pairwise(widths))

    @classmethod
    def for_tower(cls, tower: VisionTower) -> TowerPyramid:
        """Build the pyramid that fits a vision tower."""
        return cls(tower.stage_channels, tower.pyramid_kind)

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the maps."""
        levels = range(len(self.out_channels))
        return tuple(min(2**level, self.output_stride) for level in levels)

    def set_depth(self, depth: int) -> None:
        """Keep the image and ``depth`` levels below it; what only deeper ones used is dropped.

        A decoder that reads fewer levels then leaves no parameter without a gradient.

        Raises:
            ConfigurationError: it is not within 1 … 5, or deeper than what is left.
        """
        if not 1 <= depth < len(self.out_channels):
            deepest = len(self.out_channels) - 1
            raise ConfigurationError(f"depth of a pyramid: expected 1 to {deepest}, got {depth}")
        self.out_channels = self.out_channels[: depth + 1]
        self.laterals = self.laterals[:depth]
        self.detail = self.detail[:depth]

    def set_output_stride(self, output_stride: int) -> None:
        """Resample levels deeper than ``output_stride`` to it, as dilated decoders expect.

        Raises:
            ConfigurationError: it is none of 4, 8, 16, 32.
        """
        if output_stride not in OUTPUT_STRIDES:
            raise ConfigurationError(
                f"output stride of a pyramid: expected 4, 8, 16 or 32, got {output_stride}"
            )
        self.output_stride = output_stride

    def forward(self, images: Tensor, stages: Sequence[Tensor]) -> list[Tensor]:
        """Build the list of maps.

        Args:
            images: (B, 3, H, W), normalised.
            stages: `VisualFeatures.stages` of these images, (B, c_i, h_i, w_i) each.

        Returns:
            maps (B, ``out_channels[i]``, ceil(H / s_i), ceil(W / s_i)), the first ``images``.

        Raises:
            ShapeError: the stages are not those the pyramid was built for.
        """
        found = tuple(int(stage.shape[1]) for stage in stages)
        if found != self.stage_channels:
            raise ShapeError(
                f"TowerPyramid expects stages with {self.stage_channels} channels, got {found}"
            )
        height, width = images.shape[-2:]
        maps = [images]
        for level, stride in enumerate(self.strides[1:], start=1):
            size = (-(-height // stride), -(-width // stride))
            maps.append(resample(self._level(level, stages), size))
        detail = images
        for level, step in zip(DETAIL_LEVELS, self.detail, strict=False):
            detail = step(detail)
            maps[level] = maps[level] + detail
        return maps

    def _level(self, level: int, stages: Sequence[Tensor]) -> Tensor:
        """Return the map of a level, before it is resampled."""
        if self.kind == "resnet":
            return stages[level - 1]
        return self.laterals[level - 1](stages[STAGE_OF_LEVEL[level - 1]])


def _out_channels(
    kind: str, stage_channels: tuple[int, ...], out_channels: Sequence[int] | None
) -> tuple[int, ...]:
    expected = 4 if kind == "vit" else 5
    if len(stage_channels) != expected:
        raise ConfigurationError(
            f"a {kind} pyramid expects {expected} stages, got {len(stage_channels)}"
        )
    native = CHANNELS if kind == "vit" else (3, *stage_channels)
    chosen = tuple(native if out_channels is None else out_channels)
    if kind == "resnet" and chosen != native:
        raise ConfigurationError(
            f"a resnet pyramid passes its stages through: out_channels must be {native}, "
            f"got {chosen}"
        )
    if len(chosen) != 6 or chosen[0] != 3 or min(chosen) < 1:
        raise ConfigurationError(
            f"out_channels of a pyramid: expected 3 and five widths, got {chosen}"
        )
    return chosen


def _lateral(channels: int, width: int) -> nn.Sequential:
    """A stage to a level: one group is a layer norm over channels and locations, then 1×1."""
    return nn.Sequential(nn.GroupNorm(1, channels), nn.Conv2d(channels, width, kernel_size=1))


def _detail(channels: int, width: int) -> nn.Sequential:
    """One step of the stem: half the size (rounded up), edges and texture kept."""
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel_size=3, stride=2, padding=1, bias=False),
        nn.GroupNorm(1, width),
        nn.GELU(),
    )
