"""Regress, then standardise: each picture under its own confounder to learn, P(z) to predict."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from deconfound.errors import ConfigurationError
from deconfound.estimators.base import Effects, Estimator, average, estimators, prior_weights
from deconfound.estimators.weighting import read_posterior
from deconfound.types import Confounders, Intervened, Regions


@estimators.register("standardisation")
class Standardisation(Estimator):
    """In training Σ_z P(z|x) A(f, z), in evaluation Σ_z P(z) A(f, z).

    The g-formula in its two steps (Robins 1986): A is regressed on what was observed under the
    picture's own confounder, and averaged over P(z) afterwards. Enumeration takes the second sum in
    training too: what is then fitted to the masks is a function of f alone, which on confounded
    pictures becomes P(Y|F). Here A has to tell the confounders apart to fit.

    P(z|x) = softmax(cos(x, z)/T + log P(z)) is read from x, the mean direction of a picture's
    regions: z is one for the whole picture. Costs M evaluations of A.

    Args:
        temperature: T > 0 of the reading. ``float("inf")`` reads nothing, which is enumeration.

    Raises:
        ConfigurationError: a temperature that is not positive.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        if not temperature > 0:
            raise ConfigurationError(
                f"standardisation temperature must be > 0, found {temperature}"
            )
        self.temperature = temperature

    def forward(self, effects: Effects, regions: Regions, confounders: Confounders) -> Intervened:
        """Weigh by the picture or by the prior; see `Estimator.forward` for the shapes."""
        weights = prior_weights(regions, confounders.prior)
        if self.training:
            weights = self._read(regions, confounders)[:, None].expand_as(weights)
        features = average(effects(regions, confounders), weights, regions.features)
        return Intervened(features, weights)

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"temperature": self.temperature}

    def _read(self, regions: Regions, confounders: Confounders) -> Tensor:
        """Return P(z|x), (B, M)."""
        seen = F.normalize(regions.features, dim=-1).mean(dim=1)
        return read_posterior(seen, confounders, self.temperature)
