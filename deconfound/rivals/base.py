"""The interface of a rival: somebody else's method, in our harness."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from deconfound.packs import PromptPack
from deconfound.registry import Registry
from deconfound.segmenter import CausalSegmenter
from deconfound.vlm import VisionLanguageModel

TRIALS = 3
"""Settings that are tried for every method, ours included: no budget is larger than another."""


class Rival(ABC):
    """A method that is trained with the same tower, decoder, images, epochs and selection as ours.

    It may bring parts for the model, and wrap the loss. Its constructor takes the hyper-parameters
    that are searched.

    Attributes:
        title: in words, for tables.
        source: where it was published.
        adapted: what was changed, and what was left out, to fit dense prediction and this harness.
        grid: `TRIALS` settings of the constructor; the first is the published or usual one. The
            key ``lr_factor`` is for the harness: it multiplies the learning rate.
    """

    title: ClassVar[str]
    source: ClassVar[str]
    adapted: ClassVar[str]
    grid: ClassVar[tuple[Mapping[str, Any], ...]]

    def parts(self, vlm: VisionLanguageModel, pack: PromptPack) -> dict[str, Any]:
        """Return arguments of :class:`~deconfound.CausalSegmenter`; plain training's by default.

        Args:
            vlm: the model that the segmenter will be built over; its text tower is still there.
            pack: names classes and confounders.
        """
        return {"selector": "all", "intervention": "identity"}

    def criterion(self, model: CausalSegmenter, plain: nn.Module, num_sites: int) -> nn.Module:
        """Return the loss, called as :func:`~deconfound.training.fit` says; plain by default.

        Args:
            model: built from `parts`.
            plain: the segmentation loss of the run: ``plain(explanation, mask, class_index,
                causal=..., weight=...)`` gives a dict with ``loss`` and ``seg``.
            num_sites: site indices are below this; the held-out site has one and is never seen.
        """
        return plain


rivals: Registry[Rival] = Registry("rival", "deconfound.rivals")
