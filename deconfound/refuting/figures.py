"""Dots and whiskers: what every refuter found, beside what its claim asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deconfound.diagnostics.refuters.base import Refutation, Refuter, Verdict
from deconfound.diagnostics.refuters.claims import HasClaim, claimed_range
from deconfound.training.report.svg import CARD, INK, LINE, MUTED, SERIES, Panel, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Answer = tuple[Refuter, Refutation]

COLOURS: dict[Verdict, str] = {
    "supported": SERIES[1],
    "refuted": SERIES[2],
    "inconclusive": SERIES[0],
}
MARKERS: dict[Verdict, str] = {"supported": "o", "refuted": "D", "inconclusive": "o"}

NARROWEST = 1.5
"""Points of Dice that are shown on either side of zero at least, so that a tolerance of 1 is."""


def answer_panels(answers: Sequence[Answer]) -> list[Panel]:
    """Draw those that count in the verdict, those that describe a part, and other scales apart."""
    asked = [one for one in answers if one[1].answered]
    scored = [one for one in asked if one[0].scale == Refuter.scale]
    panels = [
        _dice_panel("Those that decide", [one for one in scored if one[1].decisive]),
        _dice_panel("Parts of the dictionary", [one for one in scored if not one[1].decisive]),
    ]
    for scale in dict.fromkeys(one[0].scale for one in asked if one not in scored):
        others = [one for one in asked if one[0].scale == scale]
        panels.append(_panel("On another scale", scale, others, 1.0, 0.0))
    return [panel for panel in panels if panel is not None]


def _dice_panel(title: str, answers: Sequence[Answer]) -> Panel | None:
    unit = "points of Dice, changed minus real"
    return _panel(title, unit, answers, 100.0, NARROWEST) if answers else None


def _panel(
    title: str, unit: str, answers: Sequence[Answer], factor: float, narrowest: float
) -> Panel:
    """Draw one row for each answer, the first on top."""
    numbers = [factor * x for _, one in answers for x in (one.low, one.high)]
    low, high = min(-narrowest, 1.08 * min(numbers)), max(narrowest, 1.08 * max(numbers))

    def paint(axes: Axes) -> None:
        axes.axvline(0, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        for row, (refuter, one) in enumerate(answers):
            if isinstance(refuter, HasClaim):
                _mark_claim(axes, row, refuter, factor, (low, high))
            colour = COLOURS[one.verdict]
            axes.plot([factor * one.low, factor * one.high], [row, row], color=colour, linewidth=2)
            inside = CARD if one.verdict == "inconclusive" else colour
            marker = MARKERS[one.verdict]
            axes.plot(factor * one.effect, row, marker, color=colour, mfc=inside, mew=1.6)
        axes.set_yticks(range(len(answers)), [one.name for _, one in answers], color=INK)
        axes.set_ylim(len(answers) - 0.4, -0.6)
        axes.set_xlim(low, high)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(unit, color=MUTED)

    told = "; ".join(f"{one.name} {factor * one.effect:+z.2f}, {one.verdict}" for _, one in answers)
    size = (4.9, 0.7 + 0.27 * max(len(answers), 2))
    return Panel(title, "", draw(paint, size), f"{title}, {unit}: {told}")


def _mark_claim(
    axes: Axes, row: int, refuter: HasClaim, factor: float, limits: tuple[float, float]
) -> None:
    """Shade where the whole interval lies if the claim holds."""
    ends = (factor * end for end in claimed_range(refuter.claim, refuter.margin))
    left, right = (min(max(end, limits[0]), limits[1]) for end in ends)
    axes.barh(row, right - left, left=left, height=0.72, color=LINE, linewidth=0)
