"""MixStyle at the encoder's levels: channel statistics between those of two pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Beta

from deconfound.encoders.level_interventions.base import LevelIntervention, level_interventions
from deconfound.encoders.level_interventions.moments import channel_statistics
from deconfound.encoders.levels import check_maps, choose_levels
from deconfound.errors import ConfigurationError

SHALLOW = 2
"""How many levels are shallow; the paper finds style in the first blocks of a network."""


@level_interventions.register("mixstyle")
class MixStyle(LevelIntervention):
    """Mixes mean and deviation of channels with another picture's (Zhou et al., ICLR 2021).

    With λ ~ Beta(α, α) for each picture x, and x' another one of the batch (arXiv 2104.02008):

        MixStyle(x) = γ (x - μ(x)) / σ(x) + β,
        γ = λ σ(x) + (1 - λ) σ(x'),  β = λ μ(x) + (1 - λ) μ(x')

    The batch is shuffled at random, so no site need be known. No gradient flows through the
    statistics. λ and x' are the same at every chosen level. The identity in evaluation.

    Args:
        channels: channels of every map, entry 0 being the image.
        levels: which to act on (1 is stride 2, …, -1 the deepest); ``"shallow"``: the first two
            that the decoder reads; ``"all"``: each one that it reads.
        alpha: α; small values leave most pictures near one of the two.
        probability: share of the batches that are mixed, in [0, 1].
        allowed: the levels that the decoder reads; None: all but the image.

    Raises:
        ConfigurationError: a level that is not allowed, α ≤ 0, or a share outside [0, 1].
        ShapeError: in ``forward``, maps of other channels, or of a single location, which has
            nothing but a mean.
    """

    def __init__(
        self,
        channels: Sequence[int],
        levels: Sequence[int] | str = "shallow",
        alpha: float = 0.1,
        probability: float = 0.5,
        allowed: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if not alpha > 0:
            raise ConfigurationError(f"MixStyle: alpha must be > 0, found {alpha}")
        if not 0 <= probability <= 1:
            raise ConfigurationError(
                f"MixStyle: probability must be in [0, 1], found {probability}"
            )
        self.channels = tuple(channels)
        chosen = choose_levels("all" if levels == "shallow" else levels, len(channels), allowed)
        self.levels = chosen[:SHALLOW] if levels == "shallow" else chosen
        self.alpha = alpha
        self.probability = probability

    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Mix the statistics; see `LevelIntervention.forward` for the shapes."""
        changed = list(pyramid)
        if not self.training or torch.rand(()) >= self.probability:
            return changed
        check_maps("MixStyle", pyramid, self.levels, self.channels, locations=2)
        partner, share = self._draw(pyramid[0])
        for level in self.levels:
            changed[level] = mix_statistics(pyramid[level], partner, share)
        return changed

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "channels": list(self.channels),
            "levels": list(self.levels),
            "alpha": self.alpha,
            "probability": self.probability,
        }

    def _draw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return x', (B,) int64, and λ, (B,), of each picture.

        Drawn on the CPU, so that a seed means the same on every device.
        """
        count = len(images)
        share = Beta(self.alpha, self.alpha).sample((count,))
        return torch.randperm(count).to(images.device), share.to(images.device)


def mix_statistics(maps: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Give each picture channel statistics between its own and another one's.

    Args:
        maps: (B, C, h, w); half precision is left for the computation, and returned to.
        partner: (B,), int64, which picture of the batch the other one is.
        share: (B,), λ: 1 leaves a picture its own statistics, 0 gives it the other one's.
    """
    exact = maps.to(torch.promote_types(maps.dtype, torch.float32))
    mean, std = channel_statistics(exact.detach())
    own = share.to(exact)[:, None]
    mixed_mean, mixed_std = (s[partner].lerp(s, own) for s in (mean, std))
    scale = (mixed_std / std)[..., None, None]
    mixed = (exact - mean[..., None, None]) * scale + mixed_mean[..., None, None]
    return mixed.to(maps.dtype)
