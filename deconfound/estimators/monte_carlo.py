"""The sum by drawing: for dictionaries too large to enumerate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError
from deconfound.estimators.base import Effects, Estimator, average, estimators, prior_weights
from deconfound.types import Confounders, Intervened, Regions


@estimators.register("monte_carlo")
class MonteCarlo(Estimator):
    """1/n Σ_i A(f, z_i) with z_i drawn from P(z): unbiased, with variance Var_z[A] / n.

    Costs n evaluations of A; worth it where n is well below M. The draws of one call are shared by
    all its regions. In training they come from PyTorch's global generator, as dropout's do, so a
    run that seeds it is reproducible. In evaluation every call makes the same draws from ``seed``,
    so that a model stays a function of its images; on every device, as draws are made on the CPU.

    No gradient reaches a learned prior; enumerate where the prior is to be learned.

    Args:
        samples: n, the number of draws, 1 or more.
        seed: of the draws in evaluation.

    Raises:
        ConfigurationError: fewer than one sample.
    """

    def __init__(self, samples: int = 4, seed: int = 0) -> None:
        super().__init__()
        if samples < 1:
            raise ConfigurationError(f"monte_carlo samples must be at least 1, found {samples}")
        self.samples = samples
        self.seed = seed

    def forward(self, effects: Effects, regions: Regions, confounders: Confounders) -> Intervened:
        """Average over draws; the weights (B, N, M) are the share of draws of each confounder."""
        draws = self.draw(confounders.prior)
        # Names of what was drawn would wait for the device at every call, and cannot be exported.
        names = tuple(f"draw {i}" for i in range(1, self.samples + 1))
        equal = torch.full_like(confounders.prior[draws], 1 / self.samples)
        drawn = Confounders(confounders.embeddings[draws], equal, names)
        features = average(effects(regions, drawn), equal, regions.features)
        shares = torch.zeros_like(confounders.prior).index_add(0, draws, equal)
        return Intervened(features, prior_weights(regions, shares))

    def draw(self, prior: Tensor) -> Tensor:
        """Return n indices drawn from P(z), (n,) int64 on the prior's device."""
        generator = None if self.training else torch.Generator().manual_seed(self.seed)
        probabilities = prior.detach().cpu().double()
        draws = torch.multinomial(probabilities, self.samples, True, generator=generator)
        return draws.to(prior.device)

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"samples": self.samples, "seed": self.seed}
