"""Closed-form erasure at the encoder's levels: no location says linearly which confounder it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from deconfound.encoders.level_interventions.base import (
    LevelIntervention,
    Observation,
    level_interventions,
)
from deconfound.encoders.levels import check_maps, choose_levels
from deconfound.interventions.covariances import RunningCovariances
from deconfound.interventions.leace import LeaceEraser


@level_interventions.register("erasure")
class LevelErasure(LevelIntervention):
    """LEACE (`LeaceEraser`) over the channels of chosen levels, the same at every location.

    The identity until `fit`; acts in training and in evaluation alike, as it draws nothing. What is
    said by more than one location together (texture, blur) is not linear in one, and stays.

    Args:
        channels: channels of every map, entry 0 being the image.
        levels: which to act on (1 is stride 2, …, -1 the deepest); ``"all"``: each one that the
            decoder reads.
        allowed: the levels that the decoder reads; None: all but the image.

    Raises:
        ConfigurationError: a level that is not allowed.
        ShapeError: in ``forward`` and ``fit``, maps of other channels.
    """

    def __init__(
        self,
        channels: Sequence[int],
        levels: Sequence[int] | str = "all",
        allowed: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.levels = choose_levels(levels, len(channels), allowed)
        for level in self.levels:
            width = channels[level]
            self.register_buffer(f"mean_{level}", torch.zeros(width))
            self.register_buffer(f"removal_{level}", torch.zeros(width, width))

    def fit(self, observations: Iterable[Observation]) -> LevelErasure:
        """Find each level's eraser in one pass.

        Args:
            observations: pairs of a pyramid, maps (B, c_i, h_i, w_i) as `forward` gets them, and
                posteriors (B, M), see `observe_levels`; a location has its picture's posterior. A
                row that does not sum to one is multiplied by the weight of its picture.

        Raises:
            ShapeError: posteriors that are not one row per picture, or maps that do not fit.
            DataError: no picture.
        """
        gathered = {level: RunningCovariances() for level in self.levels}
        for pyramid, posterior in observations:
            check_maps("level erasure", pyramid, self.levels, self.channels)
            for level, covariances in gathered.items():
                covariances.add(rearrange(pyramid[level], "b c h w -> b (h w) c"), posterior)
        erasers = {level: covariances.eraser() for level, covariances in gathered.items()}
        for level, eraser in erasers.items():
            self.get_buffer(f"mean_{level}").copy_(eraser.mean)
            self.get_buffer(f"removal_{level}").copy_(eraser.removal)
        return self

    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Erase at every location; see `LevelIntervention.forward` for the shapes."""
        check_maps("level erasure", pyramid, self.levels, self.channels)
        changed = list(pyramid)
        for level in self.levels:
            mean, removal = (self.get_buffer(f"{kind}_{level}") for kind in ("mean", "removal"))
            erased = LeaceEraser(mean, removal)(rearrange(pyramid[level], "b c h w -> b h w c"))
            changed[level] = rearrange(erased, "b h w c -> b c h w")
        return changed

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments; the erasers are in the state dict."""
        return {"channels": list(self.channels), "levels": list(self.levels)}
