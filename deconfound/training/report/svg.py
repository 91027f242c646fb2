"""Drawings as inline SVG whose colours and fonts are the page's, in light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deconfound.extras import missing_extra

try:
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise missing_extra("matplotlib", "the report") from error

#: Colours that no drawing uses; each stands for one of the page's, which follow light and dark.
INK, MUTED, LINE, CARD = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b08"
SERIES = ("#0a0b04", "#0a0b05", "#0a0b06", "#0a0b07")
THEME = {INK: "var(--ink)", MUTED: "var(--muted)", LINE: "var(--line)", CARD: "var(--card)"}
THEME |= {colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)}

STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "deconfound", "font.size": 10}


@dataclass(frozen=True, slots=True)
class Panel:
    """A drawing with its words.

    Attributes:
        title: what it shows.
        caption: unit, legend, or one sentence of what it means.
        content: inline SVG, or a ``data:`` address.
        alt: what it says, for those who do not see it.
    """

    title: str
    caption: str
    content: str
    alt: str


def draw(paint: Callable[[Axes], None], size: tuple[float, float] = (4.2, 2.3)) -> str:
    """Return the SVG of one set of axes.

    Args:
        paint: draws on the axes, in the colours above.
        size: width and height, in inches.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(LINE)
        axes.tick_params(colors=MUTED, length=0)
        paint(axes)
        buffer = io.StringIO()
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return _themed(buffer.getvalue())


def _themed(svg: str) -> str:
    """Cut the file's wrapping off and let the page's colours and fonts in."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    for colour, variable in THEME.items():
        svg = svg.replace(colour, variable)
    return svg
