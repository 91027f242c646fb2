"""The exact sum."""

from __future__ import annotations

from deconfound.estimators.base import Effects, Estimator, average, estimators, prior_weights
from deconfound.types import Confounders, Intervened, Regions


@estimators.register("enumeration")
class Enumeration(Estimator):
    """Σ_z P(z) A(f, z), every term of it: the g-formula over the dictionary.

    No error but that of the outcome model and of the dictionary. Costs M evaluations of A.
    """

    def forward(self, effects: Effects, regions: Regions, confounders: Confounders) -> Intervened:
        """Average over every confounder; see `Estimator.forward` for the shapes."""
        weights = prior_weights(regions, confounders.prior)
        features = average(effects(regions, confounders), weights, regions.features)
        return Intervened(features, weights)
