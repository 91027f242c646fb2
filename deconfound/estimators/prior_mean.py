"""The cheap approximation: the average confounder in place of the average over confounders."""

from __future__ import annotations

from deconfound.estimators.base import Effects, Estimator, estimators, prior_weights
from deconfound.types import Confounders, Intervened, Regions


@estimators.register("prior_mean")
class PriorMean(Estimator):
    """A(f, Σ_z P(z) z): the expectation moved inside the outcome model.

    Exact where A is affine in z; elsewhere off by the Jensen gap of A. Costs one evaluation of A,
    however large the dictionary.
    """

    def forward(self, effects: Effects, regions: Regions, confounders: Confounders) -> Intervened:
        """Evaluate at the mean confounder; see `Estimator.forward` for the shapes."""
        prior, z = confounders.prior, confounders.embeddings
        mean = Confounders((prior @ z)[None], prior.new_ones(1), ("the mean confounder",))
        return Intervened(effects(regions, mean)[:, 0], prior_weights(regions, prior))
