"""P(z): a distribution over the names of a dictionary."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError

ROUNDING = 1e-6
"""By what the sum of a distribution in single precision may miss one."""


def as_prior(values: Sequence[float] | Tensor | None, names: Sequence[str]) -> Tensor:
    """Return P(z) as a float tensor (M,) that sums to one; one that does already, bit for bit.

    Args:
        values: M non-negative numbers, not all zero; None is the uniform prior.
        names: the M confounders, for the message.

    Raises:
        ConfigurationError: the wrong count, or a number that is negative or not finite.
    """
    if values is None:
        return torch.full((len(names),), 1 / len(names))
    prior = torch.as_tensor(values, dtype=torch.float32).detach().clone()
    if prior.shape != (len(names),):
        raise ConfigurationError(
            f"prior: expected {len(names)} numbers, one per confounder, found {prior.numel()}"
        )
    if not torch.isfinite(prior).all() or (prior < 0).any() or prior.sum() == 0:
        raise ConfigurationError(
            f"prior: expected finite non-negative numbers that are not all zero, "
            f"found {[round(p, 4) for p in prior.tolist()]}"
        )
    total = prior.sum()
    # Twelve twelfths sum to nearly one: divided again, a dictionary would not be what it was.
    return prior if abs(total.item() - 1) < ROUNDING else prior / total
