"""From finished cells to what they say: the share of the confounding gap closed, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from deconfound.benchmark.cells import PLAIN, Cell, Outcome


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: of the seeds.
        low: lower end of the 95 % t-interval; nan with one seed, which has none.
        high: its upper end.
        seeds: how many.
    """

    mean: float
    low: float
    high: float
    seeds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Return mean and interval of one value a seed."""
        from scipy.stats import t

        found = np.asarray(values, dtype=np.float64)
        if len(found) < 2:
            return cls(float(found.mean()), math.nan, math.nan, len(found))
        error = found.std(ddof=1) / math.sqrt(len(found))
        reach = float(t.ppf(0.975, len(found) - 1) * error)
        return cls(float(found.mean()), found.mean() - reach, found.mean() + reach, len(found))


@dataclass(frozen=True, slots=True)
class Share:
    """What one method did in one world.

    Attributes:
        cell: the method's, at seed 0.
        interventional: Dice under do(F).
        observational: Dice where class and confounder go together.
        reversed: Dice where every class shows another's confounder.
        gap: Dice of the unconfounded oracle less that of plain training, the gap to close.
        gained: Dice of the method less that of plain training.
        closed: ``gained`` over ``gap``. The ratio of the means over seeds, with the interval of
            Fieller's theorem, as a ratio per seed has no mean where a gap can be near zero. Where
            the gap is not clear of zero, the interval is the whole line.
        worst: class, confounder and Dice of the worst cell, over all seeds.
    """

    cell: Cell
    interventional: Estimate
    observational: Estimate
    reversed: Estimate
    gap: Estimate
    gained: Estimate
    closed: Estimate
    worst: tuple[str, str, float]


def closed_share(outcomes: Sequence[Outcome], cell: Cell) -> Share | None:
    """Compare a method with plain training and with the unconfounded oracle, seed by seed.

    Args:
        outcomes: all that is finished.
        cell: whose method, world, strength and dictionary; its seed does not matter.

    Returns:
        The share, or None where no seed has all three models.
    """
    found = {outcome.cell: outcome for outcome in outcomes}
    rows = []
    for seed in sorted({outcome.cell.seed for outcome in outcomes}):
        own = found.get(replace(cell, seed=seed))
        plain = found.get(Cell(cell.world, PLAIN, cell.strength, seed=seed))
        oracle = found.get(Cell(cell.world, PLAIN, 0.0, seed=seed))
        if own and plain and oracle:
            rows.append((own, plain, oracle))
    if not rows:
        return None
    gained = [own.interventional - plain.interventional for own, plain, _ in rows]
    gap = [oracle.interventional - plain.interventional for _, plain, oracle in rows]
    mine = [row[0] for row in rows]
    return Share(
        cell=replace(cell, seed=0),
        interventional=Estimate.of([each.interventional for each in mine]),
        observational=Estimate.of([each.observational for each in mine]),
        reversed=Estimate.of([each.reversed for each in mine]),
        gap=Estimate.of(gap),
        gained=Estimate.of(gained),
        closed=ratio(gained, gap),
        worst=min((each.worst() for each in mine), key=lambda entry: entry[2]),
    )


def ratio(gained: Sequence[float], gap: Sequence[float]) -> Estimate:
    """Return the ratio of two paired means with Fieller's 95 % interval (Fieller 1954).

    Args:
        gained: numerator, one value a seed.
        gap: denominator, likewise; where its mean is not above zero, there is no share: nan.
    """
    from scipy.stats import t

    top, bottom = np.asarray(gained, dtype=np.float64), np.asarray(gap, dtype=np.float64)
    count = len(top)
    if not bottom.mean() > 0:  # there is no gap to close
        return Estimate(math.nan, math.nan, math.nan, count)
    mean = float(top.mean() / bottom.mean())
    if count < 2:
        return Estimate(mean, math.nan, math.nan, count)
    (a, c), (_, b) = np.cov(top, bottom, ddof=1) / count
    critical = float(t.ppf(0.975, count - 1)) ** 2
    # Values r for which the mean of top - r·bottom is not clear of zero: a quadratic in r.
    second = bottom.mean() ** 2 - critical * b
    first = -2 * (top.mean() * bottom.mean() - critical * c)
    zeroth = top.mean() ** 2 - critical * a
    inside = first**2 - 4 * second * zeroth
    if second <= 0 or inside < 0:  # the gap is not clear of zero: any share is possible
        return Estimate(mean, -math.inf, math.inf, count)
    low, high = ((-first + sign * math.sqrt(inside)) / (2 * second) for sign in (-1, 1))
    return Estimate(mean, low, high, count)
