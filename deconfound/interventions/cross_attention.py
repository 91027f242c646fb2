"""The reference intervention: cross-attention of regions over the confounder dictionary."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal, get_args

import torch
from einops import einsum, rearrange
from torch import Tensor, nn

from deconfound.errors import ConfigurationError, DeconfoundWarning, unknown_name
from deconfound.interventions.base import InterventionLayer, check_widths, interventions
from deconfound.types import Confounders, Intervened, Regions

Merge = Literal["gated", "add", "replace"]


@interventions.register("cross_attention")
class CrossAttentionIntervention(InterventionLayer):
    """F_ca = Attn(F, Z): regions ask, confounders answer (arXiv 2508.05008, CDRL).

    One layer, with everything that the paper leaves open decided as in docs/decisions.md::

        weights = softmax(LN(F) W_q (LN(Z) W_k)ᵀ / (√d_head · T) + log P(z))
        F ← F + g₁ ⊙ (weights · LN(Z) W_v) W_o
        F ← F + g₂ ⊙ FFN(LN(F))

    with gates g that start at zero, so that an untrained layer is exactly the identity. A uniform
    prior makes it plain attention; T → ∞ weighs by P(z) alone.

    It is an *outcome model* and nothing more: over a fixed dictionary it is a learned function of
    F, and nothing in it alone forces an adjustment. Measure whether yours adjusts.

    Args:
        dim: d, the width of the joint space.
        depth: number of layers, 1 to 5; the paper's best trade-off is 3 (its Table 5).
        heads: attention heads; must divide ``dim``.
        temperature: T > 0; ``float("inf")`` is allowed.
        merge: how attention joins the regions. ``"gated"``: as above. ``"add"``: with both gates
            fixed at one. ``"replace"``: the literal equation, without a residual; the attention's
            answer lies in the span of a few projected values (affine rank at most heads·(M-1)), and
            all that is left of a region is its attention weights; it warns.

    Raises:
        ConfigurationError: a setting out of its range.
        UnknownNameError: an unknown ``merge``.
        ShapeError: in ``forward``, features or embeddings that are not d wide.
    """

    def __init__(
        self,
        dim: int,
        depth: int = 3,
        heads: int = 8,
        temperature: float = 1.0,
        merge: Merge = "gated",
    ) -> None:
        super().__init__()
        if not 1 <= depth <= 5:
            raise ConfigurationError(f"cross-attention depth must be 1 to 5, found {depth}")
        if heads < 1 or dim % heads:
            raise ConfigurationError(f"cross-attention heads must divide dim={dim}, found {heads}")
        if not temperature > 0:
            raise ConfigurationError(
                f"cross-attention temperature must be > 0, found {temperature}"
            )
        if merge not in get_args(Merge):
            raise unknown_name("merge", str(merge), get_args(Merge))
        if merge == "replace":
            warnings.warn(
                "merge='replace' is the literal equation: of a region, its output keeps only the "
                "attention weights; 'gated' keeps where it lies and what it looks like too",
                DeconfoundWarning,
                stacklevel=2,
            )
        self.dim = dim
        self.heads = heads
        self.temperature = temperature
        self.merge: Merge = merge
        self.layers = nn.ModuleList(
            CrossAttentionLayer(dim, heads, temperature, merge) for _ in range(depth)
        )

    def forward(self, regions: Regions, confounders: Confounders) -> Intervened:
        """Intervene; weights are the mean over heads and layers."""
        check_widths(self, self.dim, regions, confounders)
        features, weights = regions.features, []
        for layer in self.layers:
            features, layer_weights = layer(features, confounders.embeddings, confounders.prior)
            weights.append(layer_weights)
        return Intervened(features, torch.stack(weights).mean(dim=0))

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "dim": self.dim,
            "depth": len(self.layers),
            "heads": self.heads,
            "temperature": self.temperature,
            "merge": self.merge,
        }


class CrossAttentionLayer(nn.Module):
    """One layer: attention over the dictionary, then an FFN of hidden size d; 6d² weights.

    The dictionary is the same for every region, so its projections fold into the regions' own: two
    products with matrices d×(heads·M) and (heads·M)×d replace four with d×d. The result is that of
    the unfolded form; the work per region falls by d / (heads·M).
    """

    def __init__(self, dim: int, heads: int, temperature: float, merge: Merge) -> None:
        super().__init__()
        self.heads = heads
        self.scale = 1 / (math.sqrt(dim // heads) * temperature)
        self.merge = merge
        self.norm_regions = nn.LayerNorm(dim)
        self.norm_confounders = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.ffn = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim)
        )
        if merge == "gated":
            self.gate_attention = nn.Parameter(torch.zeros(dim))
            self.gate_ffn = nn.Parameter(torch.zeros(dim))

    def forward(self, features: Tensor, z: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, N, d) and weights (B, N, M), the mean over heads."""
        weights = self.attend(features, z, prior)
        answer = einsum(weights, self.folded_values(z), "b n h m, h m d -> b n d")
        return self.join(features, answer), weights.mean(dim=2)

    def attend(self, features: Tensor, z: Tensor, prior: Tensor) -> Tensor:
        """Return softmax(scores/T + log P(z)) as (B, N, heads, M)."""
        keys = self.folded_keys(z)
        scores = einsum(self.norm_regions(features), keys, "b n d, d h m -> b n h m") * self.scale
        return (scores + prior.log()).softmax(dim=-1)

    def folded_keys(self, z: Tensor) -> Tensor:
        """Return W_q (LN(Z) W_k)ᵀ as (d, heads, M)."""
        keys = rearrange(self.key(self.norm_confounders(z)), "m (h e) -> m h e", h=self.heads)
        query = rearrange(self.query.weight, "(h e) d -> h e d", h=self.heads)
        return einsum(query, keys, "h e d, m h e -> d h m")

    def folded_values(self, z: Tensor) -> Tensor:
        """Return LN(Z) W_v W_o as (heads, M, d)."""
        values = rearrange(self.value(self.norm_confounders(z)), "m (h e) -> m h e", h=self.heads)
        out = rearrange(self.out.weight, "d (h e) -> h e d", h=self.heads)
        return einsum(values, out, "m h e, h e d -> h m d")

    def join(self, features: Tensor, answer: Tensor) -> Tensor:
        """Merge the dictionary's answer into the regions, then pass the FFN."""
        if self.merge == "gated":
            features = features + self.gate_attention * answer
            return features + self.gate_ffn * self.ffn(features)
        features = answer if self.merge == "replace" else features + answer
        return features + self.ffn(features)
