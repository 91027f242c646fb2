"""Closed-form erasure of what images say: no linear reader finds the confounder again (LEACE)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from einops import repeat
from torch import Tensor

from deconfound.errors import DataError, ShapeError
from deconfound.estimators.base import prior_weights
from deconfound.interventions.base import InterventionLayer, check_widths, interventions
from deconfound.precision import in_double
from deconfound.types import Confounders, Intervened, Regions


@dataclass(frozen=True, slots=True)
class LeaceEraser:
    """The smallest affine change of x after which z cannot be read from it linearly.

    Belrose et al. (arXiv 2306.03819): with W = (Σ_xx^½)⁺ and U an orthonormal basis of
    the columns of W Σ_xz::

        r(x) = x - W⁺ U Uᵀ W (x - μ)

    Afterwards cov(r(x), z) = 0 on the data of the fit, so that least squares, logistic regression
    and every other linear reader with a convex loss do no better than a constant. Among all affine
    maps of which this is true, r moves x least, in the mean square of *every* inner product.

    Attributes:
        mean: μ, (d,).
        removal: (W⁺ U Uᵀ W)ᵀ, (d, d): what is taken from a row vector x - μ.
    """

    mean: Tensor
    removal: Tensor

    @classmethod
    def fit(cls, features: Tensor, z: Tensor) -> LeaceEraser:
        """Find the eraser of z, in double precision.

        Args:
            features: x, (n, d); or regions (n, N, d), each of which gets its picture's z.
            z: (n, M), one-hot where the confounder is known, else its posterior.

        Returns:
            An eraser in the dtype and on the device of ``features``.

        Raises:
            ShapeError: other shapes, or not equally many of both.
            DataError: fewer than two rows, or numbers that are not finite.
        """
        x, rows = _as_rows(features, z)
        mean = x.mean(dim=0)
        x, rows = x - mean, rows - rows.mean(dim=0)
        spread = rows.square().mean(dim=0).sum().sqrt()
        found = cls.from_covariances(mean, x.T @ x / len(x), x.T @ rows / len(x), spread)
        return cls(found.mean.to(features), found.removal.to(features))

    @classmethod
    def from_covariances(
        cls, mean: Tensor, covariance: Tensor, crossed: Tensor, spread: Tensor
    ) -> LeaceEraser:
        """Find the eraser where moments are at hand, in double precision, and not the data.

        Args:
            mean: μ, (d,).
            covariance: Σ_xx, (d, d).
            crossed: Σ_xz, (d, M).
            spread: √tr Σ_zz, (): the scale on which a covariance with z is rounding.
        """
        whiten, unwhiten = _roots(covariance)
        directions = _column_basis(whiten @ crossed, spread)
        removal = whiten @ directions @ directions.T @ unwhiten  # W and W⁺ are symmetric
        return cls(mean, removal)

    def __call__(self, features: Tensor) -> Tensor:
        """Erase: (…, d) to (…, d), in the eraser's own precision."""
        with torch.autocast(features.device.type, enabled=False):  # bf16 would leave a remainder
            removed = (features.to(self.mean.dtype) - self.mean) @ self.removal
        return features - removed.to(features.dtype)


@interventions.register("leace")
class LeaceIntervention(InterventionLayer):
    """F_ca = r(F): regions from which the confounder cannot be read linearly.

    The identity until `fit` has seen features and what the vision-language model reads of their
    confounders; `deconfound.training.fitting.fit_parts` shows it those of the training images. The
    eraser lies in buffers, so it moves, saves and loads with the model, and no gradient changes it:
    fit again where the tower is trained.

    Where class and confounder go together in the data of the fit, what tells the classes apart goes
    too, as far as it lies in the same directions: fit on data in which they are balanced, or
    weighed so. Erasing sets no confounder, so the layer declares no effects.

    Args:
        dim: d, the width of the joint space.

    Raises:
        ShapeError: in ``forward``, features or embeddings that are not d wide.
    """

    mean: Tensor
    removal: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("removal", torch.zeros(dim, dim))

    def fit(self, features: Tensor, z: Tensor) -> LeaceIntervention:
        """Take the eraser of z from data; shapes and errors are those of `LeaceEraser.fit`."""
        if features.shape[-1] != self.dim:
            raise ShapeError(
                f"LeaceIntervention: expected features {self.dim} wide, "
                f"found {tuple(features.shape)}"
            )
        return self.take(LeaceEraser.fit(features, z))

    def take(self, eraser: LeaceEraser) -> LeaceIntervention:
        """Erase as an eraser does that was found elsewhere, d wide."""
        self.mean.copy_(eraser.mean)
        self.removal.copy_(eraser.removal)
        return self

    def forward(self, regions: Regions, confounders: Confounders) -> Intervened:
        """Erase from every region; weights are P(z), as the eraser is one for all."""
        check_widths(self, self.dim, regions, confounders)
        erased = LeaceEraser(self.mean, self.removal)(regions.features)
        return Intervened(erased, prior_weights(regions, confounders.prior))

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"dim": self.dim}


def _as_rows(features: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Return x (n, d) and z (n, M) in double precision, having checked them."""
    if features.ndim not in (2, 3) or z.ndim != 2 or len(z) != len(features):
        raise ShapeError(
            f"LEACE: expected features (n, d) or (n, N, d) and z (n, M), "
            f"found {tuple(features.shape)} and {tuple(z.shape)}"
        )
    if features.ndim == 3:
        z = repeat(z, "n m -> (n regions) m", regions=features.shape[1])
        features = features.flatten(0, 1)
    if len(features) < 2:
        raise DataError(f"LEACE: expected two rows or more to fit on, found {len(features)}")
    if not (torch.isfinite(features).all() and torch.isfinite(z).all()):
        raise DataError("LEACE: expected finite features and posteriors, found nan or infinity")
    x = in_double(features)
    return x, in_double(z).to(x.device)


def _roots(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Return (Σ^½)⁺ and Σ^½, over the directions in which there is any variance."""
    values, vectors = torch.linalg.eigh(covariance)
    floor = values.max() * len(values) * torch.finfo(values.dtype).eps
    values, vectors = values[values > floor], vectors[:, values > floor]
    roots = values.sqrt()
    return (vectors / roots) @ vectors.T, (vectors * roots) @ vectors.T


def _column_basis(crossed: Tensor, spread: Tensor) -> Tensor:
    """Return an orthonormal basis (d, r) of the columns of W Σ_xz (d, M).

    x is white there, so a singular value is at most the spread of z; what lies a hundred million
    times below it is rounding.
    """
    left, values, _ = torch.linalg.svd(crossed, full_matrices=False)
    return left[:, values > 1e-8 * spread]
