"""What the numbers say, in sentences that follow from the numbers alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from deconfound.benchmark.cells import DEFAULT
from deconfound.benchmark.methods import method_of
from deconfound.benchmark.sides import Side
from deconfound.benchmark.summary import Estimate, Share

AIMS = {"renderable": 0.8, "mixed": 0.5}
"""Shares that the default is to close."""

MAY_LOSE = 0.01
"""Dice that the default may lose to plain training where nothing is confounded."""


def reading(
    shares: Sequence[Share], kinds: Sequence[Side] = (), tasks: Sequence[Side] = ()
) -> list[str]:
    """Return a few sentences on one world's shares at the base point.

    Args:
        shares: of its methods, best first.
        kinds: what the default did on pictures of either kind of confounder, where there are both.
        tasks: what the default did at finding and at naming.
    """
    first = shares[0]
    world = f"In the world “{first.cell.world}”"
    default = next((share for share in shares if share.cell.method == DEFAULT), None)
    price = [] if default is None else [_price(default.lost)]
    if not first.gap.mean > 0:
        return [
            f"{world} the oracle is not above plain training ({points(first.gap)} Dice): there is "
            f"no gap, and no share of it to speak of. More pictures, epochs or seeds may show one.",
            *price,
        ]
    sentences = [
        f"{world} confounding costs plain training {points(first.gap)} Dice on the interventional "
        f"distribution; this is the gap to close."
    ]
    best = max(shares, key=lambda share: share.closed.mean)
    if best.closed.mean > 0:
        title = method_of(best.cell.method).title
        sentences.append(f"{title} comes nearest and closes {percent(best.closed)}.")
    else:
        sentences.append("No method closes any of it.")
    if default is not None and default is not best:
        sentences.append(
            f"The default closes {percent(default.closed)}, less than the best of its rivals here."
        )
    aim = AIMS.get(first.cell.world)
    if default is not None and aim is not None:
        reached = "reaches" if default.closed.mean >= aim else "misses"
        sentences.append(f"It {reached} the aim of {100 * aim:.0f} %.")
    if default is not None:
        sentences += [*_against_its_own(default), *_tasks(tasks), *apart_in_words(kinds)]
    sentences += price
    unsure = [share for share in shares if share.closed.low <= 0 <= share.closed.high]
    worse = [share for share in shares if share.closed.high < 0]  # neither where there is one seed
    sentences += _listed("Not told apart from closing nothing", unsure)
    sentences += _listed("Worse than plain training", worse)
    if first.closed.seeds == 1:
        sentences.append("One seed: no intervals, and differences of a few points are noise.")
    return sentences


def apart_in_words(kinds: Sequence[Side]) -> list[str]:
    """Say what the default closes where confounders can be drawn and where not, a sentence or none.

    Args:
        kinds: the default's, renderable first; empty in a world of one kind.
    """
    if not kinds:
        return []
    drawn, other = kinds
    return [
        f"Apart, the default closes {percent(drawn.closed)} on pictures whose confounder can be "
        f"drawn (a gap of {points(drawn.gap)} Dice) and {percent(other.closed)} on pictures whose "
        f"confounder cannot ({points(other.gap)} Dice)."
    ]


def _tasks(tasks: Sequence[Side]) -> list[str]:
    """Say whether confounding is in the way of finding lesions or of naming them."""
    if not tasks:
        return []
    gaps = " and ".join(f"{points(each.gap)} Dice in {each.name}" for each in tasks)
    closed = [f"{percent(each.closed)} in {each.name}" for each in tasks if each.gap.mean > 0]
    return [
        f"The gap is {gaps} lesions; the default closes {' and '.join(closed)}. Finding asks where "
        f"a lesion is, whatever it is called; naming is what the class takes from that."
    ]


def _listed(what: str, shares: Sequence[Share]) -> list[str]:
    """Name the methods of which something is true, in a sentence or none."""
    names = ", ".join(method_of(share.cell.method).title for share in shares)
    return [f"{what}: {names}."] if names else []


def _against_its_own(default: Share) -> list[str]:
    """Say what the default closes of the gap to itself without confounding, if that was trained."""
    gap, closed = default.adjusted_gap, default.closed_adjusted
    if gap is None or closed is None:
        return []
    if not gap.mean > 0:
        return ["Trained without confounding, the default is not above plain training with it."]
    return [
        f"To the adjusted oracle, the default itself trained without confounding, the gap is "
        f"{points(gap)} Dice, and the default closes {percent(closed)} of it; what lies between "
        f"the two oracles is the work of its training alone, whatever is confounded."
    ]


def _price(lost: Estimate | None) -> str:
    """Say what the default costs where there is nothing to adjust for, and what it may cost."""
    if lost is None:
        return "What the default loses without confounding was not measured."
    told = points(Estimate(abs(lost.mean), *_mirrored(lost), lost.seeds))
    verdict = "no more than" if lost.mean <= MAY_LOSE else "more than"
    change = f"loses {told} Dice to" if lost.mean > 0 else f"gains {told} Dice on"
    unsettled = lost.low <= MAY_LOSE < lost.high  # false where there is no interval
    doubt = ", which the seeds do not settle" if unsettled else ""
    return (
        f"Where nothing is confounded the default {change} plain training: {verdict} the loss of "
        f"{100 * MAY_LOSE:.0f} that is allowed{doubt}."
    )


def _mirrored(lost: Estimate) -> tuple[float, float]:
    """Return the interval of a loss, or that of the gain which a negative loss is."""
    return (lost.low, lost.high) if lost.mean > 0 else (-lost.high, -lost.low)


COLUMNS_MEAN = (
    "Dice in percent, means over seeds; do(F): the interventional distribution, which counts; "
    "obs.: where class and confounder go together; rev.: where every class shows another's. The "
    "gap lies between plain training and plain training without confounding; the adjusted gap ends "
    "at the default without confounding. Lost: where nothing is confounded. Worst: the lowest mean "
    "of a class under a confounder."
)

ANY = "(−∞ to ∞)"
ANY_MEANS = (
    f"{ANY}: the gap itself is not clear of zero over these seeds, so any share is possible."
)


def mean_points(estimate: Estimate) -> str:
    """Return a difference in points of Dice alone."""
    return f"{100 * estimate.mean:z.1f}"


def points(estimate: Estimate) -> str:
    """Return a difference in points of Dice, with its interval."""
    return mean_points(estimate) + _interval(estimate)


def percent(estimate: Estimate) -> str:
    """Return a share in percent, with its interval."""
    if math.isnan(estimate.mean):
        return "no gap"
    return f"{100 * estimate.mean:z.0f} %" + _interval(estimate, 0)


def _interval(estimate: Estimate, digits: int = 1) -> str:
    if math.isnan(estimate.low):
        return ""
    if math.isinf(estimate.low):
        return f" {ANY}"
    low, high = 100 * estimate.low, 100 * estimate.high
    return f" ({low:z.{digits}f} to {high:z.{digits}f})"
