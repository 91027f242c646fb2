"""Populations of a world: every (z, f, y) once, with how often it occurs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.simulation import DiscreteSCM


@dataclass(frozen=True)
class Population:
    """Cells of a world; with one-hot z and y, and their mass."""

    scm: DiscreteSCM
    z: Tensor
    f: Tensor
    y: Tensor
    mass: Tensor

    @property
    def balanced(self) -> Tensor:
        """Mass times the inverse of the true propensity."""
        return self.mass / self.scm.feature_given_confounder()[self.z.argmax(dim=1), self.f]


def population(scm: DiscreteSCM) -> Population:
    joint = scm.joint()
    m, count, k = joint.shape
    z, f, y = torch.cartesian_prod(*(torch.arange(size) for size in (m, count, k))).T
    return Population(scm, one_hot(z, m), f, one_hot(y, k), joint.flatten())


def one_hot(index: Tensor, count: int) -> Tensor:
    return F.one_hot(index, count).double()
