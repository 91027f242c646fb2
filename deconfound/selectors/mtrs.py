"""Multimodal target region selection: the locations that look like what the text names."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from deconfound.errors import ConfigurationError
from deconfound.selectors.base import RegionSelector, selectors
from deconfound.selectors.gathering import gather
from deconfound.selectors.similarity import similarity_map
from deconfound.types import Regions


@selectors.register("mtrs")
class MTRS(RegionSelector):
    """Keep the N = α·h·w locations with the best class-text cosine (arXiv 2508.05008, MTRS).

    The published form multiplies the map by a binary mask and collects what is not zero, which has
    no static shape and loses features that happen to be zero; ``topk`` and ``gather`` select the
    same locations without either fault.

    Args:
        alpha: share of the locations to keep, in (0, 1]; 0.5 where the paper is silent.

    Raises:
        ConfigurationError: alpha outside (0, 1].
    """

    def __init__(self, alpha: float = 0.5) -> None:
        super().__init__()
        if not 0 < alpha <= 1:
            raise ConfigurationError(f"MTRS alpha must lie in (0, 1], found {alpha}")
        self.alpha = alpha

    def num_regions(self, height: int, width: int) -> int:
        """Return N = clamp(ceil(α·h·w), 1, h·w)."""
        return min(max(math.ceil(self.alpha * height * width), 1), height * width)

    def forward(self, dense: Tensor, class_embeddings: Tensor) -> Regions:
        """Select the best locations, best first; see `RegionSelector.forward` for the shapes."""
        scores = similarity_map(dense, class_embeddings)
        best = scores.flatten(1).topk(self.num_regions(*scores.shape[-2:]), dim=1)
        return gather(dense, best.indices)

    def options(self) -> dict[str, Any]:
        """Return alpha."""
        return {"alpha": self.alpha}
