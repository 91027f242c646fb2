"""The decoder's levels modulated by the texts of the classes (after CLIPSeg)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deconfound.encoders.level_interventions.base import LevelIntervention, level_interventions
from deconfound.encoders.levels import check_maps, choose_levels
from deconfound.interventions.zero import starting_at_zero


@level_interventions.register("clipseg_film")
class TextFiLM(LevelIntervention):
    """x ⊙ (1 + Σ_k w_k(x) γ(e_k)) + Σ_k w_k(x) β(e_k) at every location of chosen levels.

    CLIPSeg (arXiv 2112.10003) asks for one text at a time, and modulates its decoder by that text's
    γ(e) and β(e), linear in e (FiLM, arXiv 1709.07871). A model for K classes asks for all of them
    at once, so a location chooses among the modulations: w(x) = softmax_k⟨x, A e_k⟩. With one text
    w is 1, and this is FiLM as published. γ and β start at zero: an untrained layer is the
    identity, bit for bit.

    Args:
        channels: channels of every map, entry 0 being the image.
        texts: e, (S, d), text embeddings; or that shape alone, to be filled by a state dict.
        levels: which to act on (1 is stride 2, …, -1 the deepest); ``"all"``: each one that the
            decoder reads.
        allowed: the levels that the decoder reads; None: all but the image.

    Raises:
        ConfigurationError: a level that is not allowed.
        ShapeError: in ``forward``, maps of other channels.
    """

    texts: Tensor

    def __init__(
        self,
        channels: Sequence[int],
        texts: Tensor | Sequence[int],
        levels: Sequence[int] | str = "all",
        allowed: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.levels = choose_levels(levels, len(channels), allowed)
        given = texts if isinstance(texts, Tensor) else torch.full(tuple(texts), float("nan"))
        self.register_buffer("texts", given.detach().clone())
        dim = given.shape[1]
        self.modulations = nn.ModuleDict(
            {str(level): _Modulation(dim, channels[level]) for level in self.levels}
        )

    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Modulate; see `LevelIntervention.forward` for the shapes."""
        check_maps("text FiLM", pyramid, self.levels, self.channels)
        changed = list(pyramid)
        for level in self.levels:
            changed[level] = self.modulations[str(level)](pyramid[level], self.texts)
        return changed

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments; the texts are in the state dict."""
        return {
            "channels": list(self.channels),
            "texts": list(self.texts.shape),
            "levels": list(self.levels),
        }


class _Modulation(nn.Module):
    """FiLM of one level: three linear functions of a text."""

    def __init__(self, dim: int, channels: int) -> None:
        super().__init__()
        self.choice = nn.Linear(dim, channels, bias=False)
        self.scale = starting_at_zero(nn.Linear(dim, channels))
        self.shift = starting_at_zero(nn.Linear(dim, channels))

    def forward(self, maps: Tensor, texts: Tensor) -> Tensor:
        """Modulate maps (B, C, h, w) by texts (S, d)."""
        share = torch.einsum("bchw,sc->bshw", maps, self.choice(texts)).softmax(dim=1)
        scale, shift = (
            torch.einsum("bshw,sc->bchw", share, part(texts)) for part in (self.scale, self.shift)
        )
        return maps * (1 + scale) + shift
