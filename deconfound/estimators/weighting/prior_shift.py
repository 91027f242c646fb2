"""How often does each confounder occur here? The prior of unlabelled pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError


def shift_prior(
    posterior: Tensor, prior: Tensor, tolerance: float = 1e-8, steps: int = 10_000
) -> tuple[Tensor, Tensor]:
    """Adapt P(z|x) to pictures among which z occurs as often as it does, by EM.

    ::

        P_new(z)   ← mean over x of P_new(z|x)
        P_new(z|x) ∝ P(z|x) P_new(z) / P(z)

    Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori
    probabilities", Neural Computation 2002. It climbs to the prior of highest likelihood, which is
    the right one in the limit if P(z|x) is calibrated, and not if it is not: calibrate first.

    Args:
        posterior: P(z|x) as read with ``prior``, (n, M), rows sum to one.
        prior: P(z), (M,), positive.
        tolerance: ends where no entry of the prior moves more than this in a step.
        steps: ends there at the latest. Each one raises the likelihood, so the last is the best.

    Returns:
        The posterior (n, M) and the prior (M,) it goes with, in float64.

    Raises:
        ShapeError: anything but n rows of M, with M priors.
        ConfigurationError: a prior that is not positive, or no picture.
    """
    if posterior.ndim != 2 or prior.shape != posterior.shape[1:]:
        raise ShapeError(
            f"prior shift: expected posteriors (n, M) and a prior (M,), "
            f"found {tuple(posterior.shape)} and {tuple(prior.shape)}"
        )
    if len(posterior) == 0 or not bool((prior > 0).all()):
        raise ConfigurationError(
            f"prior shift: expected a picture or more and a positive prior, "
            f"found {len(posterior)} pictures and {prior.tolist()}"
        )
    old = prior.detach().double()
    likelihood = posterior.detach().double() / old  # P(x|z), but for a factor of x alone
    new = old
    for _ in range(steps):
        before, new = new, _reweigh(likelihood, new).mean(dim=0)
        if torch.dist(new, before, p=float("inf")) <= tolerance:
            break
    return _reweigh(likelihood, new), new


def _reweigh(likelihood: Tensor, prior: Tensor) -> Tensor:
    joint = likelihood * prior
    return joint / joint.sum(dim=-1, keepdim=True)
