"""Feature decoupling: a part that may know the site, and a part that may not, for the decoder."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from deconfound.encoders.level_interventions import ContentStyle
from deconfound.errors import ConfigurationError
from deconfound.packs import PromptPack
from deconfound.rivals.added_terms import AddedTerms, Weighted
from deconfound.rivals.base import Rival, rivals
from deconfound.rivals.reversal import SiteAdversary
from deconfound.rivals.sites import SiteClassifier, require_sites
from deconfound.segmenter import CausalSegmenter
from deconfound.types import Explanation
from deconfound.vlm import VisionLanguageModel


@rivals.register("decoupling")
class Decoupling(Rival):
    """Content and style of the deepest map, held apart by the loss; the decoder reads the content.

    Args:
        strength: of the two terms on sites, the classifier on style and, at the end of its ramp,
            the adversary on content.
        orthogonality: weight of the penalty on what content and style have in common.
        ramp_steps: training steps that the adversary's ramp takes.
    """

    title = "Decoupling"
    source = "after domain separation networks, Bousmalis et al., NeurIPS 2016, arXiv 1608.06019"
    adapted = (
        "two projections of one map stand for an encoder shared by all domains and one for each; "
        "a classifier asks the style for the site, in place of the reconstruction of the picture "
        "from both parts, which is left out; sites of training stand for source and target; skip "
        "connections pass the split by"
    )
    grid = (
        {"strength": 0.25, "orthogonality": 0.1},
        {"strength": 0.1, "orthogonality": 0.1},
        {"strength": 0.25, "orthogonality": 1.0},
    )

    def __init__(
        self, strength: float = 0.25, orthogonality: float = 0.1, ramp_steps: int = 1000
    ) -> None:
        self.strength = strength
        self.orthogonality = orthogonality
        self.ramp_steps = ramp_steps

    def parts(self, vlm: VisionLanguageModel, pack: PromptPack) -> dict[str, Any]:
        """Return plain parts with the split at the deepest level; see `Rival.parts`."""
        return {**super().parts(vlm, pack), "level_intervention": "content_style"}

    def criterion(self, model: CausalSegmenter, plain: nn.Module, num_sites: int) -> DecouplingLoss:
        """Return the plain loss with the three terms that hold the parts apart.

        See `Rival.criterion`.

        Raises:
            ConfigurationError: a model of other parts, or a weight out of its range.
        """
        split = model.level_intervention
        if not isinstance(split, ContentStyle):
            raise ConfigurationError(
                f"decoupling: expected a model with level_intervention='content_style', found "
                f"{type(split).__name__}; build it of the rival's parts"
            )
        channels = model.body.channels[-1]
        return DecouplingLoss(
            plain,
            split,
            SiteAdversary(channels, num_sites, self.strength, self.ramp_steps),
            SiteClassifier(channels, num_sites),
            self.strength,
            self.orthogonality,
        )


class DecouplingLoss(AddedTerms):
    """Segmentation; style that says the site, content that does not; nothing in common.

    The adversary reads the deepest level as the decoder gets it: the content, and the text-aligned
    map that joined it. The terms are ``site`` (the adversary's), ``style`` (the classifier's) and
    ``overlap``.

    Args:
        plain: the loss of the segmentation.
        split: the model's own layer, which is asked for the style.
        adversary: over what the decoder reads.
        classifier: over the style.
        strength: weight of the classifier's loss.
        orthogonality: weight of `overlap`, 0 or more.

    Raises:
        ConfigurationError: a negative weight.
    """

    reads_sites = True

    def __init__(
        self,
        plain: nn.Module,
        split: ContentStyle,
        adversary: SiteAdversary,
        classifier: SiteClassifier,
        strength: float,
        orthogonality: float,
    ) -> None:
        super().__init__(plain)
        if strength < 0 or orthogonality < 0:
            raise ConfigurationError(
                f"decoupling: weights must be ≥ 0, found {strength} and {orthogonality}"
            )
        self.split = split
        self.adversary = adversary
        self.classifier = classifier
        self.strength = strength
        self.orthogonality = orthogonality

    def added(
        self, explanation: Explanation, class_index: Tensor, site_index: Tensor | None
    ) -> dict[str, Weighted]:
        """Return the three terms that hold the parts apart; see `AddedTerms.added`.

        Raises:
            ConfigurationError: the batch did not go through the model just before.
        """
        sites = require_sites("decoupling", site_index, self.classifier.num_sites)
        parts = self.split.take_parts()
        content, style = parts.content.float(), parts.style.float()
        return {
            "site": (1.0, self.adversary(explanation.levels[-1], sites)),
            "style": (self.strength, F.cross_entropy(self.classifier(style), sites)),
            "overlap": (self.orthogonality, overlap(content, style)),
        }


def overlap(content: Tensor, style: Tensor) -> Tensor:
    """Return what two maps have in common, a scalar in [0, 1]: ‖CᵀS‖² / n².

    The difference loss of domain separation networks (arXiv 1608.06019), divided by its largest
    value. Rows of C and S are the n locations of the batch, centred and of length one;
    0 where, over the locations, no direction of the content goes with one of the style.

    Args:
        content: (B, C, h, w).
        style: (B, C', h, w).
    """
    c, s = (_rows(part) for part in (content, style))
    return (c.T @ s).square().sum() / len(c) ** 2


def _rows(maps: Tensor) -> Tensor:
    rows = rearrange(maps, "b c h w -> (b h w) c")
    return F.normalize(rows - rows.mean(dim=0), dim=-1)
