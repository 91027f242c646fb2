"""GroupDRO: the site on which the loss is largest counts most."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deconfound.errors import ConfigurationError
from deconfound.rivals.base import Rival, rivals
from deconfound.rivals.sites import require_sites
from deconfound.segmenter import CausalSegmenter
from deconfound.types import Explanation


@rivals.register("group_dro")
class GroupDRO(Rival):
    """Distributionally robust optimisation over the training sites.

    Args:
        eta: η, step of the weights of the sites; 0.01 in the authors' own code.
    """

    title = "GroupDRO"
    source = "Sagawa et al., ICLR 2020, arXiv 1911.08731"
    adapted = (
        "groups are sites; a batch holds them as they come, where the published algorithm draws "
        "the group first, and a site that is not in it keeps its weight; the adjustment for the "
        "size of groups and the strong weight decay are left out: decay is the same for all methods"
    )
    grid = ({"eta": 0.01}, {"eta": 0.001}, {"eta": 0.1})

    def __init__(self, eta: float = 0.01) -> None:
        self.eta = eta

    def criterion(self, model: CausalSegmenter, plain: nn.Module, num_sites: int) -> GroupDroLoss:
        """Return the plain loss by site, weighed; see `Rival.criterion`."""
        return GroupDroLoss(plain, num_sites, self.eta)


class GroupDroLoss(nn.Module):
    """Σ_g q_g L_g over the sites of a batch, q moved by exponentiated gradients.

    Algorithm 1 of arXiv 1911.08731, for batches of several sites. In training the weights move
    first, q_g ∝ q_g exp(η L_g), and the loss is taken with the new ones. Only the sites of the
    batch exchange weight; the others keep theirs (experts that sleep: Freund et al., STOC 1997), so
    that a rare site does not lose by being rare. The loss is over q brought to a sum of one in the
    batch; with η = 0 it is the mean over sites of their losses.

    q is kept as logarithms in a buffer, so it never becomes zero, and a resumed training goes on
    with it. Where several processes train, each moves it by its own batch, and all go on from the
    first one's.

    Args:
        plain: the loss of the segmentation.
        num_sites: S
        eta: η, 0 or more.

    Raises:
        ConfigurationError: η < 0.
    """

    reads_sites = True
    log_q: Tensor

    def __init__(self, plain: nn.Module, num_sites: int, eta: float) -> None:
        super().__init__()
        if eta < 0:
            raise ConfigurationError(f"GroupDRO: eta must be ≥ 0, found {eta}")
        self.plain = plain
        self.num_sites = num_sites
        self.eta = eta
        self.register_buffer("log_q", torch.zeros(num_sites).log_softmax(dim=0))

    @property
    def q(self) -> Tensor:
        """The weights of the sites, (S,), a distribution."""
        return self.log_q.softmax(dim=0)

    def forward(
        self,
        explanation: Explanation,
        mask: Tensor,
        class_index: Tensor,
        *,
        causal: bool = True,
        weight: Tensor | None = None,
        site_index: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the plain loss's terms, each Σ_g q_g of it on the site's own images.

        Args:
            explanation: what the model said of the batch.
            mask: (B, H, W), int64.
            class_index: (B,), int64; -1 unknown.
            causal: handed to the plain loss.
            weight: (B,), how much each image counts; None counts each once.
            site_index: (B,), int64.

        Raises:
            DataError: no sites, or one that is not known.
        """
        sites = require_sites("GroupDRO", site_index, self.num_sites)
        present, counts = sites.unique(return_counts=True)
        by_site = [
            self.plain(
                explanation,
                mask,
                class_index,
                causal=causal,
                weight=_only(sites == site, count, weight),
            )
            for site, count in zip(present, counts, strict=True)
        ]
        stacked = {name: torch.stack([terms[name] for terms in by_site]) for name in by_site[0]}
        if self.training:
            self._move(present, stacked["loss"].detach())
        share = self.log_q[present].softmax(dim=0)
        return {name: share @ values for name, values in stacked.items()}

    def _move(self, present: Tensor, losses: Tensor) -> None:
        """Let the sites of a batch exchange weight by their losses; their sum stays."""
        before = self.log_q[present]
        after = (before + self.eta * losses).log_softmax(dim=0) + before.logsumexp(dim=0)
        self.log_q[present] = after


def _only(of_site: Tensor, count: Tensor, weight: Tensor | None) -> Tensor:
    """Return weights (B,) under which a loss is that of one site's images alone.

    A loss is a mean over B images, and takes no notice of those that weigh nothing.
    """
    share = of_site * (len(of_site) / count)
    return share if weight is None else share * weight
