"""The interface of the intervention."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable

from torch import Tensor

from deconfound.component import Component
from deconfound.errors import ShapeError
from deconfound.registry import Registry
from deconfound.types import Confounders, Intervened, Regions


class InterventionLayer(Component, ABC):
    """An estimate of E_z[A(F, z)], the inner expectation of P(Y|do(F)) ≈ H(E_z[A(F, z)])."""

    @abstractmethod
    def forward(self, regions: Regions, confounders: Confounders) -> Intervened:
        """Intervene on every region.

        Args:
            regions: features (B, N, d).
            confounders: embeddings (M, d), prior (M,).

        Returns:
            Intervened with features (B, N, d) and weights (B, N, M) that sum to one over M.
        """


@runtime_checkable
class HasEffects(Protocol):
    """A declared capability: the layer can say what each single confounder would do."""

    def effects(self, regions: Regions, confounders: Confounders) -> Tensor:
        """Return A(f, z_m) for every m, which may depend on what else Z holds: (B, M, N, d)."""


def check_widths(layer: InterventionLayer, dim: int, regions: Regions, z: Confounders) -> None:
    """Raise ShapeError unless regions are (B, N, dim) and confounders (M, dim) with M priors."""
    name = type(layer).__name__
    if regions.features.ndim != 3 or regions.features.shape[-1] != dim:
        raise ShapeError(
            f"{name}: expected regions (B, N, {dim}), found {tuple(regions.features.shape)}"
        )
    if z.embeddings.ndim != 2 or z.embeddings.shape[-1] != dim:
        raise ShapeError(
            f"{name}: expected confounders (M, {dim}), found {tuple(z.embeddings.shape)}"
        )
    if z.prior.shape != z.embeddings.shape[:1]:
        raise ShapeError(
            f"{name}: expected a prior ({len(z.embeddings)},), found {tuple(z.prior.shape)}"
        )


interventions: Registry[InterventionLayer] = Registry(
    "intervention layer", "deconfound.interventions"
)
