"""How sure a change is: a bootstrap over units and seeds at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError


class Interval(NamedTuple):
    """A mean and its interval."""

    effect: float
    low: float
    high: float


def interval(
    changes: Tensor,
    groups: Tensor,
    *,
    level: float = 0.95,
    replicates: int = 500,
    seed: int = 0,
) -> Interval:
    """Bootstrap the mean of changes that were seen under several seeds on the same units.

    Rows and columns are resampled independently, which errs to the wide side (Owen 2007, "The
    pigeonhole bootstrap"); columns in whole groups, since frames of one patient tell less than as
    many patients. With one seed it is the ordinary cluster bootstrap.

    Args:
        changes: (S, n), one row per seed.
        groups: (n,) int64, the group of each unit; at least two differ.
        level: of the interval.
        replicates: how often to resample.
        seed: of the resampling.

    Raises:
        ShapeError: changes and groups that do not fit each other.
        ConfigurationError: a single group, from which nothing can be resampled.
    """
    if changes.ndim != 2 or groups.shape != changes.shape[1:] or 0 in changes.shape:
        raise ShapeError(
            f"interval: expected changes (S, n) with n groups, found {tuple(changes.shape)} and "
            f"{tuple(groups.shape)}"
        )
    changes = changes.double().cpu()
    of_seeds, of_units = resampled(len(changes), groups, replicates, seed)
    total = ((of_seeds @ changes) * of_units).sum(dim=1)
    means = total / (len(changes) * of_units.sum(dim=1))
    return percentiles(changes.mean().item(), means, level)


def percentiles(effect: float, replicates: Tensor, level: float = 0.95) -> Interval:
    """Return an effect between the percentiles of its bootstrap replicates (R,)."""
    tail = (1 - level) / 2
    low, high = torch.quantile(replicates, torch.tensor([tail, 1 - tail]).double()).tolist()
    return Interval(effect, min(low, effect), max(high, effect))


def resampled(
    seeds: int, groups: Tensor, replicates: int = 500, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Draw seeds, and whole groups of units, as many as there are, with replacement.

    Args:
        seeds: how many there are.
        groups: (n,) int64, as for `interval`.
        replicates: how often.
        seed: of the drawing.

    Returns:
        How often each seed was drawn, (R, S), and each unit, (R, n); float64.

    Raises:
        ConfigurationError: a single group.
    """
    require_groups(groups)
    names, member = groups.cpu().unique(return_inverse=True)
    generator = torch.Generator().manual_seed(seed)
    of_seeds = _multiplicities(replicates, seeds, generator)
    return of_seeds, _multiplicities(replicates, len(names), generator)[:, member]


def require_groups(groups: Tensor) -> None:
    """Refuse units of a single group, from which nothing can be resampled.

    Raises:
        ConfigurationError: there is but one.
    """
    if len(groups.unique()) < 2:
        raise ConfigurationError(
            "interval: expected units of at least two groups to resample, found one; give more "
            "patients, or a group for each image"
        )


def _multiplicities(replicates: int, count: int, generator: torch.Generator) -> Tensor:
    """Return how often each of ``count`` was drawn in ``count`` draws: (replicates, count)."""
    drawn = torch.randint(count, (replicates, count), generator=generator)
    drawn += count * torch.arange(replicates)[:, None]
    return torch.bincount(drawn.flatten(), minlength=replicates * count).view(drawn.shape).double()
