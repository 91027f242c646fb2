"""A decoder told by text what to look for, after CLIPSeg."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deconfound.packs import PromptPack
from deconfound.rivals.base import Rival, rivals
from deconfound.vlm import VisionLanguageModel


@rivals.register("clipseg_film")
class ClipSegFiLM(Rival):
    """FiLM of what the decoder reads by the class texts; `TextFiLM` is its part of the model.

    Args:
        levels: which levels are modulated; ``"all"``: each one that the decoder reads.
    """

    title = "CLIPSeg-style FiLM"
    source = "Lüddecke and Ecker, CVPR 2022, arXiv 2112.10003"
    adapted = (
        "the conditioning alone, with the run's tower and decoder in place of CLIPSeg's own small "
        "transformer, and its training on phrases left out; every level is modulated, and not the "
        "decoder's entrance alone, since a decoder with skips would read past it; the classes are "
        "asked for together, so that each location chooses among the modulations of their texts "
        "and that of normal tissue"
    )
    grid = (
        {"levels": "all"},
        {"levels": "all", "lr_factor": 2.0},
        {"levels": (-1,)},
    )

    def __init__(self, levels: Sequence[int] | str = "all") -> None:
        self.levels = levels

    def parts(self, vlm: VisionLanguageModel, pack: PromptPack) -> dict[str, Any]:
        """Return plain training's parts, and the modulation of the levels."""
        texts = vlm.encode_text([*pack.class_prompts(), pack.normal_prompt()])
        film = {"name": "clipseg_film", "texts": texts, "levels": self.levels}
        return {**super().parts(vlm, pack), "level_intervention": film}
