"""The records that flow through the model, in the order in which they appear.

Symbols are those of docs/architecture.md: B images, K classes, M confounders, N regions,
d the width of the joint image-text space, (h, w) the grid of the vision tower.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True, slots=True)
class VisualFeatures:
    """What a vision tower says of a batch of images.

    Attributes:
        dense: (B, d, h, w), features of every location *in the joint image-text space*; of any
            length.
        pooled: (B, d), the image embedding that the tower was trained to align with text; of any
            length.
        stages: raw hidden maps (B, c_i, h_i, w_i) from shallow to deep, for a decoder's pyramid.
    """

    dense: Tensor
    pooled: Tensor
    stages: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Regions:
    """F: the locations a selector kept.

    Attributes:
        features: (B, N, d), best location first.
        index: (B, N), int64 positions in the flattened h·w grid, without repetition.
    """

    features: Tensor
    index: Tensor


@dataclass(frozen=True, slots=True)
class Confounders:
    """Z: the dictionary, a discrete stand-in for P(z).

    Attributes:
        embeddings: (M, d), one row per confounder, L2-normalised where they come from text.
        prior: (M,), P(z): non-negative, sums to one.
        names: the M confounders in words.
    """

    embeddings: Tensor
    prior: Tensor
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Intervened:
    """F_ca: regions after the intervention, and who weighed how much.

    Attributes:
        features: (B, N, d), the shape of the regions that came in.
        weights: (B, N, M), how much each confounder counted for each region; sums to one over M.
    """

    features: Tensor
    weights: Tensor


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything the model can say about one batch.

    Attributes:
        logits: (B, C, H, W), at the size of the images.
        scores: (B, h, w), Ŝ, the best class-text cosine at each location.
        regions: what the selector kept.
        confounders: the dictionary that was used.
        intervened: regions after the intervention, with its weights.
        pooled: (B, d), image embeddings.
        effects: (B, M, N, d), what each single confounder would do; None if the layer cannot say.
        levels: the maps (B, c_i, h_i, w_i) that the decoder read, entry 0 being the image; where
            the sum over confounders is taken behind it, it read such maps of each confounder, and
            these are of their average.
    """

    logits: Tensor
    scores: Tensor
    regions: Regions
    confounders: Confounders
    intervened: Intervened
    pooled: Tensor
    effects: Tensor | None = None
    levels: tuple[Tensor, ...] = ()

    def with_effects(self, effects: Tensor) -> Explanation:
        """Return the same record with per-confounder effects (B, M, N, d)."""
        return replace(self, effects=effects)
