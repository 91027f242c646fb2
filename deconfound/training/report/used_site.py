"""The section's drawing of what features still know: the site probe, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deconfound.diagnostics import ClassProbe, KernelTest, SiteProbe
from deconfound.training.report.rows import BAR, name_rows, tall
from deconfound.training.report.svg import CARD, INK, MUTED, Panel, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def site_panel(
    probe: SiteProbe,
    before: SiteProbe | None,
    kernel: KernelTest | None,
    class_names: Sequence[str],
) -> Panel:
    """Draw how often the site is found, over all images and by class, against chance.

    Args:
        probe: of the features after the intervention.
        before: of the same before it.
        kernel: the same question without linearity.
        class_names: in the order of the class indices.
    """
    names = [_named(one.class_index, class_names) for one in probe.by_class]
    rows = list(zip(["all images", *names], _whole_and_parts(probe), strict=True))
    earlier = [] if before is None else _whole_and_parts(before)
    labels = [f"{name} ({one.images})" for name, one in rows]

    def paint(axes: Axes) -> None:
        name_rows(axes, labels)
        for row, one in enumerate(earlier):
            axes.plot(100 * one.accuracy, row, "o", markersize=6.5, color=BAR, markerfacecolor=CARD)
        for row, (_, one) in enumerate(rows):
            axes.plot(100 * one.accuracy, row, "o", markersize=5.5, color=BAR)
            axes.plot([100 * one.chance] * 2, [row - 0.3, row + 0.3], color=INK, linewidth=1.6)
        axes.set_xlim(-2, 102)
        axes.set_xlabel("percent of images; mark: chance", color=MUTED)

    ring = "" if before is None else " (ring: before the intervention)"
    tested = "" if kernel is None else f" Of any shape (kernel test): p = {kernel.p_value:.3g}."
    caption = (
        f"How often a linear probe finds the site{ring}: a dot on its mark is a feature that "
        f"tells no more of the site than the class does.{tested}"
    )
    said = "; ".join(
        f"{name} {100 * one.accuracy:.0f}% against {100 * one.chance:.0f}%" for name, one in rows
    )
    return Panel("Site found from the features", caption, draw(paint, tall(labels)), said)


def _whole_and_parts(probe: SiteProbe) -> list[SiteProbe | ClassProbe]:
    return [probe, *probe.by_class]


def _named(index: int, class_names: Sequence[str]) -> str:
    return class_names[index] if 0 <= index < len(class_names) else "class unknown"
