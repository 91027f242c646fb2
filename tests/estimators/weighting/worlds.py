"""Populations of a world: every (z, f, y) once, with how often it occurs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
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


def shown_confounder(
    strength: float, seed: int = 0, count: int = 600, classes: int = 3, noise: float = 0.1
) -> tuple[np.ndarray, ...]:
    """Return embeddings that show a confounder, classes that go with it, and the confounder."""
    source = np.random.default_rng(seed)
    k = source.integers(classes, size=count)
    z = np.where(source.random(count) < strength, k, source.integers(classes, size=count))
    shown = np.eye(classes, 8)[z] + noise * source.standard_normal((count, 8))
    return shown, k, z
