"""From an interval to a verdict: the two claims that a change can be held against."""

from __future__ import annotations

import math
from typing import Literal, Protocol, runtime_checkable

from deconfound.diagnostics.refuters.base import Verdict
from deconfound.diagnostics.refuters.interval import Interval

Claim = Literal["falls", "stays"]

#: A loss below this is none: 0.1 points of Dice.
MARGIN = 0.001
#: A change up to this still counts as staying: 1 point of Dice.
TOLERANCE = 0.01


@runtime_checkable
class HasClaim(Protocol):
    """A declared capability of a refuter: its claim is one of the two.

    Attributes:
        claim: which.
        margin: in the unit of the score.
    """

    claim: Claim
    margin: float


def claimed_range(claim: Claim, margin: float) -> tuple[float, float]:
    """Return where the whole interval lies if the claim is supported, low and high."""
    return (-math.inf, -margin) if claim == "falls" else (-margin, margin)


def verdict(claim: Claim, found: Interval, margin: float) -> Verdict:
    """Hold a change against a claim.

    ``falls``: the score gets worse by more than ``margin``. Supported where the whole interval lies
    below -margin, refuted where all of it lies above: what was taken away did not count.

    ``stays``: the score moves by no more than ``margin`` (an equivalence test by interval).
    Supported where the whole interval lies within ±margin, refuted where all of it lies outside.

    Args:
        claim: which of the two.
        found: the change, with its interval.
        margin: in the unit of the score.
    """
    if claim == "falls":
        if found.high < -margin:
            return "supported"
        return "refuted" if found.low >= -margin else "inconclusive"
    if -margin <= found.low and found.high <= margin:
        return "supported"
    outside = found.high < -margin or found.low > margin
    return "refuted" if outside else "inconclusive"


def finding(claim: Claim, found: Interval) -> str:
    """Say what a claim expects of the score, and what was found."""
    expected = "should fall" if claim == "falls" else "should stay"
    return (
        f"the score {expected}, and changed by {found.effect:+z.4f} "
        f"[{found.low:+z.4f}, {found.high:+z.4f}]"
    )
