"""MixStyle: each picture under channel statistics between its own and another one's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deconfound.packs import PromptPack
from deconfound.rivals.base import Rival, rivals
from deconfound.vlm import VisionLanguageModel


@rivals.register("mixstyle")
class MixStyle(Rival):
    """Plain training with :class:`~deconfound.encoders.level_interventions.MixStyle`.

    Args:
        alpha: of Beta(α, α), from which the share of a picture's own statistics is drawn.
        probability: share of the batches that are mixed.
        levels: of the pyramid, ``"shallow"`` (the first two that the decoder reads), ``"all"``, or
            a list.
    """

    title = "MixStyle"
    source = "Zhou et al., ICLR 2021, arXiv 2104.02008"
    adapted = (
        "it mixes maps of the pyramid, each on its way to the decoder, where the published one "
        "mixes inside the encoder and what follows reads the mixture: the tower computes the "
        "deeper maps from pictures as they are; the two shallow maps that the decoder reads stand "
        "for the first blocks, and a picture has one partner and one share for both; the variant "
        "without domain labels"
    )
    grid = ({"alpha": 0.1}, {"alpha": 0.3}, {"alpha": 0.1, "levels": "all"})

    def __init__(
        self,
        alpha: float = 0.1,
        probability: float = 0.5,
        levels: Sequence[int] | str = "shallow",
    ) -> None:
        self.alpha = alpha
        self.probability = probability
        self.levels = levels

    def parts(self, vlm: VisionLanguageModel, pack: PromptPack) -> dict[str, Any]:
        """Return plain parts with MixStyle on the levels; see `Rival.parts`."""
        mixing = {
            "name": "mixstyle",
            "alpha": self.alpha,
            "probability": self.probability,
            "levels": self.levels,
        }
        return {**super().parts(vlm, pack), "level_intervention": mixing}
