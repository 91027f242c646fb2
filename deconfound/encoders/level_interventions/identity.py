"""The control: the levels as they are."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from deconfound.encoders.level_interventions.base import LevelIntervention, level_interventions


@level_interventions.register("identity")
class LevelIdentity(LevelIntervention):
    """Hand the maps on as they are."""

    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps; see `LevelIntervention.forward` for the shapes."""
        return list(pyramid)
