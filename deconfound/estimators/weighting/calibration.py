"""How sure may the reading be? Temperature and bias from pictures whose confounder is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.estimators.weighting.reading import to_posterior

HOTTEST, COLDEST = 1e3, 1e-4
"""Temperatures between which one is sought; scores that separate perfectly have no best one."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What turns scores into probabilities; `read_posterior` takes both.

    Attributes:
        temperature: T; at the upper end of its range, 1000, the scores know nothing of z.
        bias: b, (M,) float64, of mean zero: how much each prompt must be helped to be heard.
        error_before: expected calibration error at the temperature that was there before.
        error_after: expected calibration error now, on the same pictures.
    """

    temperature: float
    bias: Tensor
    error_before: float
    error_after: float


def calibrate(scores: Tensor, labels: Tensor, temperature: float = 0.01) -> Calibration:
    """Fit T and b by maximum likelihood: P(z|x) ∝ P(z) exp(s_z/T + b_z).

    P(z) is how often each label occurs *here*, so it does not enter the bias, and T and b can be
    used with any other prior. The labels need not be anybody's: draw each confounder of the pack
    onto pictures (:class:`~deconfound.estimators.doing.Render`), and what was drawn is known.
    Platt scaling with one slope for all classes (Guo et al., "On calibration of modern neural
    networks", ICML 2017, with a bias); convex in (1/T, b), so the optimum is the only one.

    Args:
        scores: cos(x, z), (n, M), from :func:`read_scores`.
        labels: (n,) int64, the confounder of each picture. Each of the M must occur.
        temperature: the one to compare with; the result does not depend on it.

    Raises:
        ShapeError: scores and labels that do not fit each other.
        ConfigurationError: a confounder without a picture, or a label that is none.
    """
    shares = _shares(scores, labels)
    s, k = scores.detach().cpu().double(), labels.cpu()
    inverse, bias = _maximise(s, k, shares)

    def error(t: float, b: Tensor | None) -> float:
        return expected_calibration_error(to_posterior(s, shares, t, b), k)

    return Calibration(1 / inverse, bias, error(temperature, None), error(1 / inverse, bias))


def expected_calibration_error(posterior: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Return the mean distance of confidence and accuracy, over bins of equal width (Guo 2017).

    Args:
        posterior: (n, M), rows sum to one.
        labels: (n,) int64.
        bins: number of bins of the largest probability.
    """
    confidence, guess = posterior.detach().double().max(dim=-1)
    surplus = confidence - (guess == labels).double()
    which = (confidence * bins).ceil().long().clamp(1, bins) - 1
    return surplus.new_zeros(bins).index_add(0, which, surplus).abs().sum().item() / len(labels)


def _maximise(scores: Tensor, labels: Tensor, shares: Tensor) -> tuple[float, Tensor]:
    """Return 1/T and the bias of highest likelihood.

    Scores are searched in units of their own deviation: cosines of a large model differ by a
    hundredth, and 1/T and b would be of sizes between which the search finds no step.
    """
    from scipy.optimize import minimize

    unit = scores.std().item() or 1.0
    standard = scores / unit

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        p = torch.tensor(parameters, requires_grad=True)
        value = F.cross_entropy(standard * p[0] + p[1:] + shares.log(), labels)
        (slope,) = torch.autograd.grad(value, p)
        return value.item(), slope.numpy()

    start = np.r_[1.0, np.zeros(len(shares))]
    bounds = [(unit / HOTTEST, unit / COLDEST), *[(None, None)] * len(shares)]
    tight = {"maxiter": 10_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=tight).x
    return float(found[0]) / unit, torch.from_numpy(found[1:] - found[1:].mean())


def _shares(scores: Tensor, labels: Tensor) -> Tensor:
    """Return how often each label occurs, (M,), having refused what cannot be fitted."""
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ShapeError(
            f"calibration: expected scores (n, M) with n labels, "
            f"found {tuple(scores.shape)} and {tuple(labels.shape)}"
        )
    known = set(range(scores.shape[1]))
    if set(labels.tolist()) != known:
        raise ConfigurationError(
            f"calibration: expected every label from 0 to {len(known) - 1}, each at least once, "
            f"found {sorted(set(labels.tolist()))}; draw the others too"
        )
    return torch.bincount(labels.cpu(), minlength=len(known)).double() / len(labels)
