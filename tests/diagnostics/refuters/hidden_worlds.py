"""Worlds with a confounder that nobody names, as strong as the one that is named."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.diagnostics.refuters import LinearView
from deconfound.estimators.weighting import read_posterior
from deconfound.simulation.scm import DiscreteSCM, HiddenSCM
from deconfound.types import Confounders

DIM = 128


def hidden_world(seed: int, *, real: bool, share: float = 1.0) -> HiddenSCM:
    """Return two named confounders and two values of a hidden one, in one of two kinds of world.

    Real: the first feature changes the outcome by 0.3 to 0.45, and confounding is weak. Otherwise
    it changes nothing: all that goes with it is the work of the confounders.

    Args:
        seed: of the world.
        real: which kind.
        share: of the named confounder's effect on the outcome that the hidden one has.
    """
    g = torch.Generator().manual_seed(seed)
    drawn = torch.rand(3, generator=g).tolist()
    effect = 0.3 + 0.15 * drawn[0] if real else 0.0
    of_each = 0.02 + 0.03 * drawn[1] if real else 0.1 + 0.1 * drawn[1]
    strength = 0.1 + 0.2 * drawn[2] if real else 0.3 + 0.3 * drawn[2]
    first = torch.tensor([1.0, 0.0]).double()
    by_pair = of_each * (first[:, None] + share * first[None]).flatten()
    by_feature = effect * torch.tensor([1.0, 0.0, 0.0]).double()
    likely = 0.1 + by_feature[:, None] + by_pair[None]
    vectors = torch.randn(2, DIM, generator=g).double()
    return HiddenSCM(
        DiscreteSCM(
            prior=torch.full((4,), 0.25).double(),
            base=torch.full((3,), 1 / 3).double(),
            preferred=(0, 2, 2, 1),
            strength=strength,
            outcome=torch.stack([1 - likely, likely], dim=2),
            features=torch.randn(3, DIM, generator=g).double(),
            confounders=F.normalize(vectors, dim=1).repeat_interleave(2, dim=0),
        ),
        num_hidden=2,
    )


@dataclass(frozen=True, slots=True, eq=False)
class HiddenSubject:
    """What is seen of such a world: outcome, first feature, and a reading of the named."""

    scm: HiddenSCM
    count: int = 4000

    @property
    def groups(self) -> Tensor:
        return torch.arange(self.count)

    def dictionary(self) -> Confounders:
        return self.scm.dictionary()

    def estimate(self, confounders: Confounders, seed: int = 0) -> Tensor:
        raise NotImplementedError("only its linear view is asked about")

    def linear_view(self, confounders: Confounders, seed: int = 0) -> LinearView:
        sample = self.scm.sample(self.count, seed=1)
        g = torch.Generator().manual_seed(2)
        noise = 0.5 / DIM**0.5 * torch.randn(self.count, DIM, generator=g).double()
        reading = read_posterior(confounders.embeddings[sample.z] + noise, confounders, 0.15)
        return LinearView(sample.y.double(), (sample.f == 0).double(), reading)
