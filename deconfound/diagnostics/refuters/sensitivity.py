"""How strong must an unnamed confounder be? Omitted-variable bias in terms of partial R².

Cinelli & Hazlett 2020, "Making sense of sensitivity" (JRSS-B 82). All of it is closed form for the
linear model outcome ~ treatment + controls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from deconfound.errors import DataError


@dataclass(frozen=True, slots=True)
class LinearEffect:
    """A least-squares coefficient.

    Attributes:
        estimate: of the treatment, given the controls.
        error: its standard error.
        freedom: residual degrees of freedom.
    """

    estimate: float
    error: float
    freedom: int

    @property
    def scale(self) -> float:
        """Deviation of what is left of the outcome, over that of the treatment: error · √df."""
        return self.error * math.sqrt(self.freedom)

    @property
    def partial_r2(self) -> float:
        """Share of what is left of the outcome that the treatment explains: t² / (t² + df)."""
        squared = (self.estimate / self.error) ** 2
        return squared / (squared + self.freedom)


def linear_effect(outcome: Tensor, treatment: Tensor, controls: Tensor) -> LinearEffect:
    """Regress outcome (n,) on treatment (n,), controls (n, M) and a constant.

    Controls may be collinear, as probabilities are that sum to one.

    Raises:
        DataError: controls that explain the treatment entirely, or an outcome that is.
    """
    y, d, x = (t.detach().cpu().double().numpy() for t in (outcome, treatment, controls))
    x = np.column_stack([np.ones(len(y)), x])
    d, y = residuals(d, x), residuals(y, x)
    freedom = len(y) - int(np.linalg.matrix_rank(x)) - 1
    spread = float(d @ d)
    if freedom < 1 or math.sqrt(spread / len(d)) < 1e-9:
        raise DataError(
            f"linear effect: expected a treatment that the {controls.shape[1]} controls leave "
            f"something of, found none in {len(y)} units; give more units"
        )
    estimate = float(d @ y) / spread
    rest = y - estimate * d
    error = math.sqrt(float(rest @ rest) / freedom / spread)
    if error == 0:
        raise DataError(
            "linear effect: expected an outcome that varies for itself, found one that treatment "
            "and controls explain exactly; give other units"
        )
    return LinearEffect(estimate, error, freedom)


def residuals(values: np.ndarray, controls: np.ndarray) -> np.ndarray:
    """Return what a least-squares fit on controls (n, p) leaves of values (n,)."""
    return values - controls @ np.linalg.lstsq(controls, values, rcond=None)[0]


def robustness_value(effect: LinearEffect, share: float = 1.0) -> float:
    """Return the RV: explaining this share of both treatment and outcome undoes the effect.

    With f = q·|t| / √df,  RV = ½ (√(f⁴ + 4f²) - f²)  (section 4.2).

    Args:
        effect: what was estimated.
        share: q, the share of the estimate that is to be explained away.

    Returns:
        The partial R², in [0, 1), that an unnamed confounder needs with both.
    """
    f2 = (share * effect.estimate / effect.error) ** 2 / effect.freedom
    return (math.sqrt(f2**2 + 4 * f2) - f2) / 2


def adjusted_for(effect: LinearEffect, with_treatment: float, with_outcome: float) -> LinearEffect:
    """Return what is left of an effect, once an unnamed confounder has taken its part towards zero.

    |bias| = se √(df · R²_y R²_d / (1 - R²_d)), and the standard error shrinks by what the
    confounder explains of the outcome and grows by what it explains of the treatment (section 4.1).

    Args:
        effect: estimated without it.
        with_treatment: R²_d, partial R² of the confounder with the treatment, in [0, 1).
        with_outcome: R²_y, with the outcome given the treatment, in [0, 1].
    """
    bias = effect.scale * math.sqrt(with_outcome * with_treatment / (1 - with_treatment))
    freedom = effect.freedom - 1
    shrunk = (1 - with_outcome) / (1 - with_treatment) * effect.freedom / freedom
    left = effect.estimate - math.copysign(bias, effect.estimate)
    return LinearEffect(left, effect.error * math.sqrt(shrunk), freedom)
