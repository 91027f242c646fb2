"""Where the intervened map joins the feature pyramid of a decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from deconfound.encoders.levels import choose_levels
from deconfound.interventions.zero import starting_at_zero


class LevelFusion(nn.Module):
    """Add a learned projection of the intervened map to chosen pyramid levels.

    A level keeps its shape, so every decoder works as before. Projections start at zero: a model
    wrapped around a trained decoder answers, at first, exactly as that model did.

    Args:
        dim: d, the width of the map.
        channels: channels of every pyramid level, entry 0 being the image.
        levels: indices into ``channels``; negative ones count from the deepest.
        allowed: the levels that the decoder reads; a map that joins another would be lost.

    Raises:
        ConfigurationError: a level that is not allowed, twice the same, or none.
    """

    def __init__(
        self, dim: int, channels: Sequence[int], levels: Sequence[int], allowed: Sequence[int]
    ) -> None:
        super().__init__()
        self.levels = choose_levels(levels, len(channels), allowed)
        self.projections = nn.ModuleDict(
            {
                str(level): starting_at_zero(nn.Conv2d(dim, channels[level], kernel_size=1))
                for level in self.levels
            }
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
