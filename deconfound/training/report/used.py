"""The section "What did the model use?": drawings of `deconfound.diagnostics.WhatWasUsed`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from deconfound.diagnostics import Agreement, AttentionDivergence, WhatWasUsed
from deconfound.training.report.rows import BAR, LETTERS, name_rows, tall
from deconfound.training.report.svg import INK, MUTED, Panel, draw
from deconfound.training.report.used_grids import gram_panel, overlap_panel, posterior_panel
from deconfound.training.report.used_site import site_panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def used_panels(used: WhatWasUsed) -> list[Panel]:
    """Draw whatever there is, from what the model used to what it could have."""
    panels = []
    if used.leave_out is not None:
        panels.append(_leave_out(used.names, used.leave_out.mean_change))
    if used.attention is not None:
        panels.append(_attention(used.names, used.attention))
    panels.append(posterior_panel(used.posterior))
    if used.cells is not None and int(used.cells.images.sum()):
        panels.append(overlap_panel(used.cells, in_training=used.trained_on > 0))
    if used.probe is not None:
        classes = () if used.cells is None else used.cells.class_names
        panels.append(site_panel(used.probe, used.probe_before, used.kernel, classes))
    if used.agreement:
        panels.append(_agreement(used.agreement))
    if used.health is not None and len(used.names) > 1:
        panels.append(gram_panel(used.health, used.names))
    return panels


def _leave_out(names: Sequence[str], change: Tensor) -> Panel:
    values = change.cpu().numpy()

    def paint(axes: Axes) -> None:
        name_rows(axes, names)
        axes.barh(range(len(names)), values, height=0.62, color=BAR)
        axes.set_xlim(0, 1.05 * values.max() or 1.0)
        axes.set_xlabel("mean change of a logit", color=MUTED)

    top = names[int(values.argmax())]
    alt = f"Most for {top} ({values.max():.2g})" if values.any() else "Nothing changes"
    caption = (
        "How far the output moves when one confounder leaves the dictionary: a bar of length zero "
        "is a confounder that this model does not use."
    )
    return Panel("Without each confounder", caption, draw(paint, tall(names)), alt)


def _attention(names: Sequence[str], attention: AttentionDivergence) -> Panel:
    weights, prior = attention.weights.cpu().numpy(), attention.prior.cpu().numpy()

    def paint(axes: Axes) -> None:
        name_rows(axes, names)
        axes.barh(range(len(names)), 100 * weights, height=0.62, color=BAR)
        for row, share in enumerate(100 * prior):
            axes.plot([share, share], [row - 0.4, row + 0.4], color=INK, linewidth=1.6)
        axes.set_xlim(left=0)
        axes.set_xlabel("mean weight in percent; mark: prior", color=MUTED)

    caption = (
        f"Regions lie {attention.mean:.2f} from the prior on a scale where 0 repeats it and, for a "
        f"uniform prior, 1 attends to a single confounder; an adjustment weighs by the prior."
    )
    alt = f"Mean divergence of attention from the prior: {attention.mean:.3f}"
    return Panel("Attention against the prior", caption, draw(paint, tall(names)), alt)


def _agreement(found: Sequence[Agreement]) -> Panel:
    labels = [
        f"{textwrap.shorten(one.confounder, LETTERS, placeholder=' …')}\n"
        f"{'more' if one.sign > 0 else 'less'} {one.statistic}"
        for one in found
    ]

    def paint(axes: Axes) -> None:
        name_rows(axes, [label.replace("_", " ") for label in labels])
        axes.axvline(0.5, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        for row, one in enumerate(found):
            axes.plot(one.auc_interval, [row, row], color=BAR, linewidth=2)
            axes.plot(one.auc, row, "o", color=BAR, markersize=5.5)
        axes.set_xlim(0, 1)
        axes.set_xlabel("AUC with 95% interval", color=MUTED)

    caption = (
        "Whether a prompt means to this model what can be measured in the pixels: at 0.5 (dashed) "
        "the model's “dark” has nothing to do with dark, below it means the reverse."
    )
    said = "; ".join(f"{one.confounder} {one.auc:.2f}" for one in found)
    return Panel("Prompts against pixels", caption, draw(paint, tall(labels)), said)
