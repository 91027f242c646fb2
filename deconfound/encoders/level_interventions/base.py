"""The interface of an intervention on the encoder's levels.

An intervention on regions reaches the decoder at the levels that the fusion joins. What a decoder
reads beside them, its skip connections, carries the confounder past it. This interface stands
between the encoder and all of that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from deconfound.component import Component
from deconfound.registry import Registry

Observation = tuple[Sequence[Tensor], Tensor]
"""A batch, as a layer is fitted on it: its pyramid, and what is read in it, (B, M)."""


class LevelIntervention(Component, ABC):
    """Acts on the list of maps that a decoder reads, skips included."""

    @abstractmethod
    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Intervene on chosen levels.

        Args:
            pyramid: one map (B, c_i, h_i, w_i) per level, entry 0 being the image.

        Returns:
            Maps of the same shapes.
        """


level_interventions: Registry[LevelIntervention] = Registry(
    "level intervention", "deconfound.level_interventions"
)
