"""The sum weighted by what the region looks like."""

from __future__ import annotations

from typing import Any

from deconfound.errors import ConfigurationError
from deconfound.estimators.base import Effects, Estimator, average, estimators
from deconfound.estimators.weighting import read_posterior
from deconfound.types import Confounders, Intervened, Regions


@estimators.register("attention")
class Attention(Estimator):
    """Σ_z w(z|f) A(f, z), with w = softmax(cos(f, z)/T + log P(z)).

    With T at which a vision-language model was trained, w is its zero-shot reading of P(z|f), and
    the sum is then Σ_z P(z|f) A(f, z): what is *observed* at f, not what happens under do(f). It
    leaves the confounding in. It is here because the literature's layers weigh this way, and to be
    compared with; T → ∞ weighs by P(z), which is enumeration. Costs M evaluations of A.

    Args:
        temperature: T > 0; 0.01 is the scale that CLIP models are trained to. ``float("inf")`` is
            allowed.

    Raises:
        ConfigurationError: a temperature that is not positive.
    """

    def __init__(self, temperature: float = 0.01) -> None:
        super().__init__()
        if not temperature > 0:
            raise ConfigurationError(f"attention temperature must be > 0, found {temperature}")
        self.temperature = temperature

    def forward(self, effects: Effects, regions: Regions, confounders: Confounders) -> Intervened:
        """Weigh each confounder by the region; see `Estimator.forward` for the shapes."""
        weights = read_posterior(regions.features, confounders, self.temperature)
        features = average(effects(regions, confounders), weights, regions.features)
        return Intervened(features, weights)

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"temperature": self.temperature}
