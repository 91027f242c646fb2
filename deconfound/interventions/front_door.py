"""Front-door attention: the picture's own regions beside those of other pictures (CATT)."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from deconfound.errors import ConfigurationError
from deconfound.interventions.base import InterventionLayer, check_widths, interventions
from deconfound.types import Confounders, Intervened, Regions


@interventions.register("front_door")
class FrontDoorIntervention(InterventionLayer):
    """F_ca = F + g ⊙ W [IS; CS], in-sample and cross-sample attention (arXiv 2103.03493).

    The front-door formula needs no confounder, but a mediator m that carries all of the effect of a
    picture x on the outcome::

        P(Y | do(x)) = Σ_m P(m | x) Σ_x' P(x') P(Y | m, x')

    CATT takes both sums inside the network, as attention, and joins the answers::

        IS = softmax(LN(F) W_q (LN(F) W_k)ᵀ / √d_head) LN(F) W_v                       for P(m | x)
        CS = softmax(LN(F) U_q (LN(X) U_k)ᵀ / (√d_head · T) + log P(x')) LN(X) U_v     for P(x')

    X, the sample of other pictures, is the dictionary. It should hold pictures (`"kmeans"`, as in
    the paper, or `"class_means"`): over a dictionary of texts CS is the reference's cross-attention
    and IS is self-attention beside it. The gate g starts at zero, so that an untrained layer is
    exactly the identity; 8d² weights.

    The formula asks for more than a layer can give. Its mediator must take several values for one
    picture, but the features of a network are a function of it; and CS weighs by what the region
    looks like, P(x' | f) and not P(x'), unless T is infinite. It is an outcome model that has seen
    other pictures. Measure whether yours adjusts.

    Args:
        dim: d, the width of the joint space.
        heads: attention heads; must divide ``dim``.
        temperature: T > 0, of the cross-sample attention; ``float("inf")`` weighs by the prior, as
            the formula does.

    Raises:
        ConfigurationError: a setting out of its range.
        ShapeError: in ``forward``, features or embeddings that are not d wide.
    """

    def __init__(self, dim: int, heads: int = 8, temperature: float = 1.0) -> None:
        super().__init__()
        if heads < 1 or dim % heads:
            raise ConfigurationError(f"front-door heads must divide dim={dim}, found {heads}")
        if not temperature > 0:
            raise ConfigurationError(f"front-door temperature must be > 0, found {temperature}")
        self.dim = dim
        self.heads = heads
        self.temperature = temperature
        self.norm_regions = nn.LayerNorm(dim)
        self.norm_samples = nn.LayerNorm(dim)
        self.in_sample = nn.ModuleDict(_projections(dim))
        self.cross_sample = nn.ModuleDict(_projections(dim))
        self.out = nn.Linear(2 * dim, dim, bias=False)
        self.gate = nn.Parameter(torch.zeros(dim))

    def forward(self, regions: Regions, confounders: Confounders) -> Intervened:
        """Intervene; weights are those of the cross-sample attention, the mean over heads."""
        check_widths(self, self.dim, regions, confounders)
        asked = self.norm_regions(regions.features)
        within = self.attend_within(asked)
        across, weights = self.attend_across(asked, confounders)
        answer = self.out(torch.cat([within, across], dim=-1))
        return Intervened(regions.features + self.gate * answer, weights)

    def attend_within(self, asked: Tensor) -> Tensor:
        """Return IS, (B, N, d): every region asks all regions of its picture."""
        query, key, value = (
            self._split(self.in_sample[part](asked)) for part in ("query", "key", "value")
        )
        return _merge(F.scaled_dot_product_attention(query, key, value))

    def attend_across(self, asked: Tensor, samples: Confounders) -> tuple[Tensor, Tensor]:
        """Return CS, (B, N, d), and its weights (B, N, M): every region asks the dictionary."""
        told = self.norm_samples(samples.embeddings)
        query = self._split(self.cross_sample["query"](asked))
        key, value = (self._split(self.cross_sample[part](told)) for part in ("key", "value"))
        scores = query @ key.mT / (math.sqrt(self.dim // self.heads) * self.temperature)
        weights = (scores + samples.prior.log()).softmax(dim=-1)
        return _merge(weights @ value), weights.mean(dim=1)

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"dim": self.dim, "heads": self.heads, "temperature": self.temperature}

    def _split(self, tokens: Tensor) -> Tensor:
        """Give each head its channels: (…, tokens, d) to (…, heads, tokens, d / heads)."""
        return rearrange(tokens, "... n (h e) -> ... h n e", h=self.heads)


def _projections(dim: int) -> dict[str, nn.Module]:
    return {part: nn.Linear(dim, dim, bias=False) for part in ("query", "key", "value")}


def _merge(answers: Tensor) -> Tensor:
    return rearrange(answers, "b h n e -> b n (h e)")
