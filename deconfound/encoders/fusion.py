"""Where the intervened map joins the feature pyramid of a decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from deconfound.errors import ConfigurationError


class LevelFusion(nn.Module):
    """Add a learned projection of the intervened map to chosen pyramid levels.

    A level keeps its shape, so every decoder works as before. Projections start at zero: a model
    wrapped around a trained decoder answers, at first, exactly as that model did.

    Args:
        dim: d, the width of the map.
        channels: channels of every pyramid level, entry 0 being the image.
        levels: indices into ``channels``, 1 to ``len(channels) - 1``; negative ones count from the
            deepest.

    Raises:
        ConfigurationError: a level that the pyramid does not have, twice the same, or the image.
    """

    def __init__(self, dim: int, channels: Sequence[int], levels: Sequence[int]) -> None:
        super().__init__()
        depth = len(channels)
        chosen = [level + depth if level < 0 else level for level in levels]
        if len(set(chosen)) != len(chosen) or not all(0 < level < depth for level in chosen):
            raise ConfigurationError(
                f"levels must be distinct and lie in 1 to {depth - 1} (or -1 to {1 - depth}), "
                f"found {list(levels)}"
            )
        self.levels = tuple(sorted(chosen))
        self.projections = nn.ModuleDict(
            {str(level): _zero_projection(dim, channels[level]) for level in self.levels}
        )

    def forward(self, pyramid: Sequence[Tensor], dense: Tensor) -> list[Tensor]:
        """Return the pyramid with the map joined in.

        Args:
            pyramid: one map (B, c_i, h_i, w_i) per level.
            dense: (B, d, h, w), the map after the intervention.
        """
        joined = list(pyramid)
        for level in self.levels:
            size = pyramid[level].shape[-2:]
            projected = self.projections[str(level)](dense)
            joined[level] = pyramid[level] + F.interpolate(
                projected, size, mode="bilinear", align_corners=False
            )
        return joined


def levels_from_stride(strides: Sequence[int], grid_stride: int) -> tuple[int, ...]:
    """Return the levels no finer than the tower's own grid, at least the deepest.

    Args:
        strides: stride of every pyramid level, entry 0 being the image at 1.
        grid_stride: pixels per location of the dense map.
    """
    coarse = tuple(level for level, stride in enumerate(strides) if level and stride >= grid_stride)
    return coarse or (len(strides) - 1,)


def _zero_projection(dim: int, channels: int) -> nn.Conv2d:
    projection = nn.Conv2d(dim, channels, kernel_size=1)
    nn.init.zeros_(projection.weight)
    nn.init.zeros_(projection.bias)  # type: ignore[arg-type]
    return projection
