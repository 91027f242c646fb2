"""do(z) at the encoder's levels: channel statistics of one confounder in place of the picture's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from deconfound.dictionaries.prior import as_prior
from deconfound.encoders.level_interventions.base import (
    LevelIntervention,
    Observation,
    level_interventions,
)
from deconfound.encoders.level_interventions.moments import Moments, with_statistics
from deconfound.encoders.levels import check_maps, choose_levels
from deconfound.errors import ConfigurationError, unknown_name


@level_interventions.register("statistics")
class FeatureStatistics(LevelIntervention):
    """Sets each channel's mean and deviation to those of a confounder: AdaIN (arXiv 1703.06868).

    Light, contrast, blur and tint live in large part in these statistics, and where things lie does
    not. In training a share of the pictures gets those of a confounder drawn from P(z), the same at
    every chosen level, so that the decoder meets every class under every confounder. MixStyle
    (arXiv 2104.02008) takes them from another picture of the batch, whose z comes as it does in the
    data; here z has a name, and P(z) is given. In evaluation the layer is the identity, unless
    `set_to` holds it at one confounder.

    The identity until `fit`. A lesion changes the statistics of its picture too: where class and
    confounder go together, fit with posteriors weighed to balance them.

    Args:
        names: the M confounders in words.
        channels: channels of every map, entry 0 being the image.
        levels: which to act on (1 is stride 2, …, -1 the deepest); ``"all"``: each one that the
            decoder reads.
        probability: share of training pictures that are changed, in [0, 1].
        amount: how far from a picture's own statistics to the confounder's, in [0, 1].
        allowed: the levels that the decoder reads; None: all but the image.

    Raises:
        ConfigurationError: no name, a level that is not allowed, or a share outside [0, 1].
        ShapeError: in ``forward`` and ``fit``, maps of other channels, or of a single location,
            which has nothing but a mean.
    """

    prior: Tensor

    def __init__(
        self,
        names: Sequence[str],
        channels: Sequence[int],
        levels: Sequence[int] | str = "all",
        probability: float = 0.5,
        amount: float = 1.0,
        allowed: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if not names:
            raise ConfigurationError(
                "feature statistics: expected the confounders' names, found none"
            )
        for setting, value in (("probability", probability), ("amount", amount)):
            if not 0 <= value <= 1:
                raise ConfigurationError(
                    f"feature statistics: {setting} must be in [0, 1], found {value}"
                )
        self.names = tuple(names)
        self.channels = tuple(channels)
        self.levels = choose_levels(levels, len(channels), allowed)
        self.probability = probability
        self.amount = amount
        self._held: int | None = None
        self.register_buffer("prior", torch.zeros(len(names)))  # all zeros: not fitted
        for level in self.levels:
            for kind in ("mean", "std"):
                self.register_buffer(f"{kind}_{level}", torch.zeros(len(names), channels[level]))

    def fit(
        self, observations: Iterable[Observation], prior: Sequence[float] | Tensor | None = None
    ) -> FeatureStatistics:
        """Gather each confounder's statistics over pictures, in one pass.

        Args:
            observations: pairs of a pyramid, maps (B, c_i, h_i, w_i) as `forward` gets them, and
                posteriors (B, M), see `observe_levels`. Rows need not sum to one: multiplied by
                weights that balance class and confounder, they give the balanced statistics.
            prior: P(z), from which training draws; M non-negative numbers; None is uniform.

        Raises:
            ShapeError: a posterior that is not (B, M), or maps that do not fit.
            DataError: a confounder of positive prior that no picture shows.
            ConfigurationError: a prior that is not a distribution over the names.
        """
        prior = as_prior(prior, self.names)
        gathered = {level: Moments(self.names, self.channels[level]) for level in self.levels}
        for pyramid, posterior in observations:
            self._check(pyramid)
            for level, moments in gathered.items():
                moments.add(pyramid[level], posterior)
        found = {level: moments.statistics(prior) for level, moments in gathered.items()}
        for level, (mean, std) in found.items():
            self.get_buffer(f"mean_{level}").copy_(mean)
            self.get_buffer(f"std_{level}").copy_(std)
        self.prior.copy_(prior)
        return self

    def set_to(self, confounder: int | str | None) -> None:
        """Hold every picture at one confounder, by position or name, until set to None.

        Raises:
            UnknownNameError: another name or position.
            ConfigurationError: there are no statistics yet.
        """
        self._held = None if confounder is None else self._position(confounder)

    def _position(self, confounder: int | str) -> int:
        """Return the position of a confounder whose statistics are known."""
        names: tuple[int | str, ...] = (*range(len(self.names)), *self.names)
        if confounder not in names:
            raise unknown_name("confounder", str(confounder), self.names)
        if not self.prior.any():
            raise ConfigurationError(
                "feature statistics: expected a fit before set_to, found none; call fit first"
            )
        return names.index(confounder) % len(self.names)

    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Set the statistics; see `LevelIntervention.forward` for the shapes."""
        changed = list(pyramid)
        if self._held is None and not (self.training and self.probability and self.prior.any()):
            return changed
        self._check(pyramid)
        rows, confounder = self._draw(pyramid[0])
        for level in self.levels:
            set_maps = self._set(pyramid[level], level, confounder)
            changed[level] = torch.where(rows[:, None, None, None], set_maps, pyramid[level])
        return changed

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments; the statistics are in the state dict."""
        return {
            "names": list(self.names),
            "channels": list(self.channels),
            "levels": list(self.levels),
            "probability": self.probability,
            "amount": self.amount,
        }

    def _draw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return which pictures are set, (B,) bool, and to what, (B,) int64.

        Drawn on the CPU, so that a seed means the same on every device.
        """
        count = len(images)
        if self._held is not None:
            rows, confounder = torch.ones(count), torch.full((count,), self._held)
        else:
            rows = (torch.rand(count) < self.probability).float()
            confounder = torch.multinomial(self.prior.cpu(), count, replacement=True)
        return rows.bool().to(images.device), confounder.to(images.device)

    def _set(self, maps: Tensor, level: int, confounder: Tensor) -> Tensor:
        """Give maps of a level the statistics of one confounder each."""
        mean, std = (self.get_buffer(f"{kind}_{level}")[confounder] for kind in ("mean", "std"))
        exact = maps.to(torch.promote_types(maps.dtype, mean.dtype))  # never in half precision
        mean, std = mean.to(exact), std.to(exact)
        return with_statistics(exact, mean, std, self.amount).to(maps.dtype)

    def _check(self, pyramid: Sequence[Tensor]) -> None:
        check_maps("feature statistics", pyramid, self.levels, self.channels, locations=2)
