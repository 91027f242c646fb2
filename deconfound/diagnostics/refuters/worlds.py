"""A closed-form world as a subject: who adjusts is known, so it can be seen who is caught.

Observational units (x, f, y) are drawn, where x is an image embedding that shows its confounder,
z_m + noise. An estimator reads P(z|x) from whatever dictionary it is given, fits tables from
(f, y, reading), and is scored unit by unit in the interventional world, by the quadratic score: its
mean is largest, and by a margin of ‖P̂ - P(Y|do(F))‖², at the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.diagnostics.refuters.base import LinearView
from deconfound.estimators.weighting import read_posterior
from deconfound.simulation import DiscreteSCM, Sample, World
from deconfound.types import Confounders


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What an estimator is fitted on.

    Attributes:
        pairs: (M, L, K), how often f and y were seen with what was read of z; sums to n.
        prior: P(z), (M,).
    """

    pairs: Tensor
    prior: Tensor


ScmEstimator = Callable[[Observed], Tensor]
"""From what was observed to P̂(y | do(f)), (L, K)."""


def backdoor(observed: Observed) -> Tensor:
    """Adjust: Σ_z P(z) P̂(y | f, z)."""
    outcome = observed.pairs / observed.pairs.sum(dim=2, keepdim=True)
    return torch.einsum("m,mlk->lk", observed.prior, outcome)


def regression(observed: Observed) -> Tensor:
    """Do not adjust: P̂(y | f)."""
    pairs = observed.pairs.sum(dim=0)
    return pairs / pairs.sum(dim=1, keepdim=True)


def attention(observed: Observed) -> Tensor:
    """Weigh by P̂(z | f) as attention does, which is P̂(y | f) by a longer way."""
    seen = observed.pairs.sum(dim=2)
    outcome = observed.pairs / seen[..., None]
    return torch.einsum("ml,mlk->lk", seen / seen.sum(dim=0), outcome)


@dataclass(frozen=True, slots=True, eq=False)
class ScmSubject:
    """An estimator in a world whose P(Y|do(F)) is known.

    Args:
        scm: the world; its confounders should differ, and be wide enough that a random vector
            resembles none of them.
        estimator: `backdoor`, `regression`, `attention`, or another.
        count: units to fit on, and as many to score on.
        noise: length of what an image embedding holds besides its confounder.
        temperature: of the reading.
        seed: of the samples.
        shuffled: a seed by which outcomes are dealt out at random; None leaves them.
    """

    scm: DiscreteSCM
    estimator: ScmEstimator = backdoor
    count: int = 8000
    noise: float = 0.5
    temperature: float = 0.15
    seed: int = 0
    shuffled: int | None = field(default=None, kw_only=True)

    @property
    def groups(self) -> Tensor:
        """Every unit is its own."""
        return torch.arange(self.count)

    def dictionary(self) -> Confounders:
        """Return the true confounders with the true prior."""
        return self.scm.dictionary()

    def estimate(self, confounders: Confounders, seed: int = 0) -> Tensor:
        """Fit on observational units; return the score of interventional ones, (n,)."""
        drawn = 2 * (self.seed + 10_007 * seed)
        train = self._sample("observational", drawn)
        test = self._sample("interventional", drawn + 1)
        reading = self._read(train, confounders, drawn)
        features, _, outcomes = self.scm.outcome.shape
        cell = F.one_hot(train.f * outcomes + train.y, features * outcomes).double()
        pairs = (reading.T @ cell).view(-1, features, outcomes) + 1e-9
        predicted = self.estimator(Observed(pairs, confounders.prior.double()))[test.f]
        return -(predicted - F.one_hot(test.y, outcomes)).square().sum(dim=1)

    def with_shuffled_outcomes(self, seed: int) -> ScmSubject:
        """Return the same world with outcomes that nothing causes."""
        return replace(self, shuffled=seed)

    def linear_view(self, confounders: Confounders, seed: int = 0) -> LinearView:
        """Return the last outcome on the first feature, as indicators, given the reading."""
        drawn = 2 * (self.seed + 10_007 * seed)
        sample = self._sample("observational", drawn)
        reading = self._read(sample, confounders, drawn)
        last = self.scm.outcome.shape[2] - 1
        return LinearView((sample.y == last).double(), (sample.f == 0).double(), reading)

    def _sample(self, world: World, seed: int) -> Sample:
        sample = self.scm.sample(self.count, world, seed)
        if self.shuffled is None:
            return sample
        generator = torch.Generator().manual_seed(seed + 7919 * (self.shuffled + 1))
        return replace(sample, y=sample.y[torch.randperm(self.count, generator=generator)])

    def _read(self, sample: Sample, confounders: Confounders, seed: int) -> Tensor:
        """Return P(z|x) of every unit, (n, M)."""
        generator = torch.Generator().manual_seed(seed + 1_000_003)  # not the stream that drew z
        width = self.scm.confounders.shape[1]
        noise = torch.randn(self.count, width, generator=generator).double()
        pooled = self.scm.confounders[sample.z] + self.noise / width**0.5 * noise
        return read_posterior(pooled, confounders, self.temperature)
