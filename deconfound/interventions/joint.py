"""What outcome models A(f, z) that depend on both jointly have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from deconfound.estimators.base import Estimator, estimators, resolve_estimator
from deconfound.interventions.base import InterventionLayer, check_widths
from deconfound.types import Confounders, Intervened, Regions


class JointIntervention(InterventionLayer):
    """An outcome model that can be asked about one confounder, and an estimator that sums it.

    Cross-attention over single keys is constant in F, so it cannot be enumerated meaningfully;
    A(f, z) must depend on both. The parameters belong to the outcome model alone: the
    same weights serve every estimator.

    Args:
        dim: d, the width of the joint space.
        estimator: how the sum over z is taken: an estimator, its registered name
            (``"enumeration"``, ``"monte_carlo"``, ``"prior_mean"``, ``"attention"``,
            ``"standardisation"``), or a mapping with ``name`` and options.

    Raises:
        UnknownNameError: an unknown estimator or option.
        ConfigurationError: an option out of its range.
        ShapeError: in ``forward`` and ``effects``, features or embeddings that are not d wide.
    """

    def __init__(self, dim: int, estimator: Estimator | str | Mapping[str, Any]) -> None:
        super().__init__()
        self.dim = dim
        self.estimator = resolve_estimator(estimator)

    @abstractmethod
    def outcomes(self, features: Tensor, z: Tensor) -> Tensor:
        """Return A(f, z_m) for features (B, N, d) and embeddings (M, d): (B, M, N, d)."""

    def forward(self, regions: Regions, confounders: Confounders) -> Intervened:
        """Take the sum over z as the estimator does."""
        check_widths(self, self.dim, regions, confounders)
        return self.estimator(self.effects, regions, confounders)

    def effects(self, regions: Regions, confounders: Confounders) -> Tensor:
        """Return A(f, z_m) for every m: (B, M, N, d)."""
        check_widths(self, self.dim, regions, confounders)
        return self.outcomes(regions.features, confounders.embeddings)

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments; the estimator as a mapping with its name."""
        estimator = {"name": estimators.name_of(self.estimator), **self.estimator.options()}
        return {"dim": self.dim, "estimator": estimator}
