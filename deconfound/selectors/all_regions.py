"""The control: no selection."""

from __future__ import annotations

import torch
from torch import Tensor

from deconfound.selectors.base import RegionSelector, selectors
from deconfound.selectors.gathering import gather
from deconfound.types import Regions


@selectors.register("all")
class AllRegions(RegionSelector):
    """Keep every location, in the order of the grid, whatever the text says."""

    def forward(self, dense: Tensor, class_embeddings: Tensor) -> Regions:
        """Select all N = h·w locations; see `RegionSelector.forward` for the shapes."""
        batch, _, height, width = dense.shape
        index = torch.arange(height * width, device=dense.device)
        return gather(dense, index.expand(batch, -1))
