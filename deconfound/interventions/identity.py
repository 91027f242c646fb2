"""The control: no intervention."""

from __future__ import annotations

from deconfound.interventions.base import InterventionLayer, interventions
from deconfound.types import Confounders, Intervened, Regions


@interventions.register("identity")
class Identity(InterventionLayer):
    """Hand the regions on as they are; every region weighs the confounders by their prior."""

    def forward(self, regions: Regions, confounders: Confounders) -> Intervened:
        """Return the regions; see `InterventionLayer.forward` for the shapes."""
        batch, num_regions, _ = regions.features.shape
        return Intervened(regions.features, confounders.prior.expand(batch, num_regions, -1))
