"""DANN: features from which no discriminator can tell the site."""

from __future__ import annotations

from torch import Tensor, nn

from deconfound.rivals.added_terms import AddedTerms, Weighted
from deconfound.rivals.base import Rival, rivals
from deconfound.rivals.reversal import SiteAdversary
from deconfound.rivals.sites import require_sites
from deconfound.segmenter import CausalSegmenter
from deconfound.types import Explanation


@rivals.register("dann")
class DANN(Rival):
    """Domain-adversarial training between the training sites.

    Args:
        strength: of the reversed gradient at the end of its ramp; 1 as published.
        ramp_steps: training steps that the ramp takes.
    """

    title = "DANN"
    source = "Ganin et al., JMLR 2016, arXiv 1505.07818"
    adapted = (
        "the published one adapts to unlabelled pictures of the target, and here the held-out site "
        "is never seen: the discriminator tells the training sites from each other; it reads the "
        "deepest map that the decoder gets, averaged over locations, and the skip connections pass "
        "it by"
    )
    grid = ({"strength": 1.0}, {"strength": 0.3}, {"strength": 0.1})

    def __init__(self, strength: float = 1.0, ramp_steps: int = 1000) -> None:
        self.strength = strength
        self.ramp_steps = ramp_steps

    def criterion(self, model: CausalSegmenter, plain: nn.Module, num_sites: int) -> DannLoss:
        """Return the plain loss with an adversary at the deepest level; see `Rival.criterion`."""
        channels = model.body.channels[-1]
        return DannLoss(plain, SiteAdversary(channels, num_sites, self.strength, self.ramp_steps))


class DannLoss(AddedTerms):
    """Segmentation, and an adversary that reads what the decoder reads: the term ``site``.

    Args:
        plain: the loss of the segmentation.
        adversary: over the deepest level.
    """

    reads_sites = True

    def __init__(self, plain: nn.Module, adversary: SiteAdversary) -> None:
        super().__init__(plain)
        self.adversary = adversary

    def added(
        self, explanation: Explanation, class_index: Tensor, site_index: Tensor | None
    ) -> dict[str, Weighted]:
        """Return the adversary's term; see `AddedTerms.added`."""
        sites = require_sites("DANN", site_index, self.adversary.classifier.num_sites)
        return {"site": (1.0, self.adversary(explanation.levels[-1], sites))}
