"""From finished cells to what they say: the share of the confounding gap closed, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from deconfound.benchmark.cells import DEFAULT, PLAIN, Cell, Outcome
from deconfound.benchmark.settings import BenchmarkSettings
from deconfound.benchmark.tables import pooled, worst


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
        worst: class, confounder and Dice of the worst cell, over the pictures of all seeds.
        adjusted_gap: Dice of the adjusted oracle, the default trained without confounding, less
            that of plain training; None where there is no such oracle.
        closed_adjusted: what the method gained over ``adjusted_gap``, with the same interval. What
            the default's own training costs or gives without confounding is no part of this gap.
        lost: Dice of plain training less the method's, both trained without confounding; below
            zero it gains. None where the method was not trained there.
    """

    cell: Cell
    interventional: Estimate
    observational: Estimate
    reversed: Estimate
    gap: Estimate
    gained: Estimate
    closed: Estimate
    worst: tuple[str, str, float]
    adjusted_gap: Estimate | None = None
    closed_adjusted: Estimate | None = None
    lost: Estimate | None = None


def shares_of(world: str, outcomes: Sequence[Outcome], settings: BenchmarkSettings) -> list[Share]:
    """Return every method's share at the base point of a world, best first."""
    cells = [Cell(world, method) for method in settings.methods]
    found = [share for cell in cells if (share := closed_share(outcomes, cell))]
    return sorted(found, key=lambda share: -share.gained.mean)


def closed_share(outcomes: Sequence[Outcome], cell: Cell) -> Share | None:
    """Compare a method with plain training and with the unconfounded oracle, seed by seed.

    Args:
        outcomes: all that is finished.
        cell: whose method, world, strength and dictionary; its seed does not matter.

    Returns:
        The share, or None where no seed has all three models.
    """
    plain, oracle = Cell(cell.world, PLAIN, cell.strength), Cell(cell.world, PLAIN, 0.0)
    adjusted = Cell(cell.world, DEFAULT, 0.0)
    rows = paired(outcomes, cell, plain, oracle)
    if not rows:
        return None
    gained, gap = _gained_and_gap(rows)
    to_adjusted = paired(outcomes, cell, plain, adjusted)
    mine = [row[0] for row in rows]
    return Share(
        cell=replace(cell, seed=0),
        interventional=Estimate.of([each.interventional for each in mine]),
        observational=Estimate.of([each.observational for each in mine]),
        reversed=Estimate.of([each.reversed for each in mine]),
        gap=Estimate.of(gap),
        gained=Estimate.of(gained),
        closed=ratio(gained, gap),
        worst=worst(pooled(mine)),
        adjusted_gap=Estimate.of(_gained_and_gap(to_adjusted)[1]) if to_adjusted else None,
        closed_adjusted=ratio(*_gained_and_gap(to_adjusted)) if to_adjusted else None,
        lost=lost_without_confounding(outcomes, cell),
    )


def share_of_gap(
    outcomes: Sequence[Outcome], cell: Cell, plain: Cell, oracle: Cell
) -> Estimate | None:
    """Return which share of the way from one cell to another a third one goes.

    Args:
        outcomes: all that is finished.
        cell: the one that is asked about; of all three, seeds do not matter.
        plain: where the gap begins.
        oracle: where it ends.

    Returns:
        The share, seed by seed as in `ratio`; None where no seed has all three.
    """
    rows = paired(outcomes, cell, plain, oracle)
    return ratio(*_gained_and_gap(rows)) if rows else None


def lost_without_confounding(outcomes: Sequence[Outcome], cell: Cell) -> Estimate | None:
    """Return how much Dice a method loses to plain training where nothing is confounded.

    Args:
        outcomes: all that is finished.
        cell: whose method, world and dictionary; both are trained at strength 0.

    Returns:
        Interventional Dice, plain training's less the method's; below zero it gains. None where
        no seed has both.
    """
    rows = paired(outcomes, Cell(cell.world, PLAIN, 0.0), replace(cell, strength=0.0))
    if not rows:
        return None
    return Estimate.of([plain.interventional - own.interventional for plain, own in rows])


def of_seeds(outcomes: Sequence[Outcome], cell: Cell) -> dict[int, Outcome]:
    """Return what a cell came to with every seed that is finished."""
    where = replace(cell, seed=0)
    return {o.cell.seed: o for o in outcomes if replace(o.cell, seed=0) == where}


def paired(outcomes: Sequence[Outcome], *cells: Cell) -> list[tuple[Outcome, ...]]:
    """Return the outcomes of several cells seed by seed, without seeds that lack one of them."""
    found = [of_seeds(outcomes, cell) for cell in cells]
    seeds = sorted(set(found[0]).intersection(*found[1:]))
    return [tuple(each[seed] for each in found) for seed in seeds]


def _gained_and_gap(rows: Sequence[tuple[Outcome, ...]]) -> tuple[list[float], list[float]]:
    """Return, from (own, plain, oracle) of every seed, how far each is above plain training."""
    gained = [own.interventional - plain.interventional for own, plain, _ in rows]
    return gained, [oracle.interventional - plain.interventional for _, plain, oracle in rows]


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
    if second <= 0:  # the gap is not clear of zero: any share is possible
        return Estimate(mean, -math.inf, math.inf, count)
    half = math.sqrt(max(inside, 0.0))  # the mean itself is inside, so below 0 is rounding alone
    low, high = ((-first + sign * half) / (2 * second) for sign in (-1, 1))
    return Estimate(mean, low, high, count)
