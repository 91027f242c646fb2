"""One linear effect, again and again on resampled units: an interval that knows of patients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from deconfound.diagnostics.refuters.base import LinearView
from deconfound.errors import DataError


class ResampledEffects(NamedTuple):
    """What the controls leave of treatment and outcome in every resample; all (R,), per unit.

    Attributes:
        together: covariance of treatment and outcome.
        spread: variance of the treatment.
    """

    together: Tensor
    spread: Tensor

    @property
    def estimate(self) -> Tensor:
        """What `linear_effect` would say, (R,)."""
        return self.together / self.spread


def resampled_effects(view: LinearView, weights: Tensor) -> ResampledEffects:
    """Regress outcome on treatment and controls, each unit as often as it was drawn.

    Everything that a regression needs are sums of products over units, so that all resamples are
    one matrix product. Controls are made orthonormal first: probabilities sum to one, and rounding
    would be large where it is divided by.

    Args:
        view: of n units.
        weights: (R, n), how often each unit was drawn.

    Raises:
        DataError: a resample of too few groups, whose controls explain the treatment entirely.
    """
    y, d = (part.detach().cpu().double() for part in (view.outcome, view.treatment))
    columns = torch.column_stack([_orthonormal(view.controls), d, y])
    products = (columns[:, :, None] * columns[:, None, :]).flatten(1)
    moments = (weights @ products).unflatten(1, (columns.shape[1],) * 2)
    between = moments[:, :-2, -2:]
    known = torch.linalg.pinv(moments[:, :-2, :-2], rtol=1e-9, hermitian=True)
    left = moments[:, -2:, -2:] - between.mT @ known @ between  # of treatment and outcome
    spread, together = left[:, 0, 0], left[:, 0, 1]
    if bool((spread <= 1e-9 * moments[:, -2, -2]).any()):
        raise DataError(
            f"linear effect: expected a treatment that the {view.controls.shape[1]} controls leave "
            f"something of in every resample, found none in some; give more patients"
        )
    units = weights.sum(dim=1)
    return ResampledEffects(together / units, spread / units)


def _orthonormal(controls: Tensor) -> Tensor:
    """Return orthonormal columns (n, p) that span the controls (n, M) and a constant."""
    x = controls.detach().cpu().double().numpy()
    basis, sizes, _ = np.linalg.svd(np.column_stack([np.ones(len(x)), x]), full_matrices=False)
    return torch.from_numpy(basis[:, sizes > 1e-9 * sizes[0]])
