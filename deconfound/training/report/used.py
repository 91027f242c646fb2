"""The section "What did the model use?": drawings of `deconfound.diagnostics.WhatWasUsed`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from deconfound.diagnostics import Agreement, AttentionDivergence, WhatWasUsed
from deconfound.diagnostics.posterior import SitePosterior
from deconfound.training.extras import missing_extra
from deconfound.training.overlays import draw_heat, to_picture
from deconfound.training.report.figures import embedded, sized
from deconfound.training.report.svg import INK, LINE, MUTED, SERIES, Panel, draw

try:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise missing_extra("matplotlib", "the report") from error

BAR = SERIES[1]
PICTURES = 3
"""How many images are shown with their spread."""

LETTERS = 26
"""Of a confounder's name in one line."""

VISIBLE = 0.005
"""Spread of a pixel's probability from which an image is shown."""


@dataclass(frozen=True, slots=True)
class Maps:
    """Maps over a few images, with what they are of."""

    title: str
    caption: str
    panels: Sequence[Panel]


def used_panels(used: WhatWasUsed) -> list[Panel]:
    """Draw whatever there is: attention, leave-out, posterior by site, prompts against pixels."""
    panels = []
    if used.leave_out is not None:
        panels.append(_leave_out(used.names, used.leave_out.mean_change))
    if used.attention is not None:
        panels.append(_attention(used.names, used.attention))
    panels.append(_posterior(used.posterior))
    if used.agreement:
        panels.append(_agreement(used.agreement))
    return panels


def used_maps(used: WhatWasUsed) -> list[Maps]:
    """Draw what is a number for every pixel, on the images that say most about it."""
    under = used.done or used.counterfactual
    maps = []
    if under is not None:
        maps.append(
            Maps(
                "Where the mask depends on the confounder",
                "Standard deviation of a pixel's probability over the confounders.",
                _heat_panels(used.close, under.spread, "where its mask depends on the confounder"),
            )
        )
    if used.jensen is not None:
        maps.append(
            Maps(
                "Where averaging early changes the mask",
                "The Jensen gap: a pixel's mean probability over the confounders, less that of the "
                "mean over the confounders.",
                _heat_panels(used.close, used.jensen, "where averaging early changes its mask"),
            )
        )
    return [one for one in maps if one.panels]


def _heat_panels(images: Tensor, heat: Tensor, what: str) -> list[Panel]:
    """Draw a heat map (B, H, W) in probability on the images that it is most about."""
    values = heat.cpu().numpy()
    rows = np.argsort(-values.mean(axis=(1, 2)), kind="stable")[:PICTURES]
    rows = rows[values[rows].max(axis=(1, 2)) >= VISIBLE]
    panels = []
    for row in sorted(rows.tolist()):
        picture = sized(to_picture(images[row].cpu().numpy()))
        largest = f"up to {100 * values[row].max():.0f} points"
        alt = f"Image {row + 1}: {what}, {largest}"
        drawn = embedded(draw_heat(picture, values[row]))
        panels.append(Panel(f"Image {row + 1}", largest, drawn, alt))
    return panels


def _leave_out(names: Sequence[str], change: Tensor) -> Panel:
    values = change.cpu().numpy()

    def paint(axes: Axes) -> None:
        _rows(axes, names)
        axes.barh(range(len(names)), values, height=0.62, color=BAR)
        axes.set_xlim(0, 1.05 * values.max() or 1.0)
        axes.set_xlabel("mean change of a logit", color=MUTED)

    top = names[int(values.argmax())]
    alt = f"Most for {top} ({values.max():.2g})" if values.any() else "Nothing changes"
    caption = (
        "How far the output moves when one confounder leaves the dictionary: a bar of length zero "
        "is a confounder that this model does not use."
    )
    return Panel("Without each confounder", caption, draw(paint, _tall(names)), alt)


def _attention(names: Sequence[str], attention: AttentionDivergence) -> Panel:
    weights, prior = attention.weights.cpu().numpy(), attention.prior.cpu().numpy()

    def paint(axes: Axes) -> None:
        _rows(axes, names)
        axes.barh(range(len(names)), 100 * weights, height=0.62, color=BAR)
        for row, share in enumerate(100 * prior):
            axes.plot([share, share], [row - 0.4, row + 0.4], color=INK, linewidth=1.6)
        axes.set_xlim(left=0)
        axes.set_xlabel("mean weight in percent; mark: prior", color=MUTED)

    caption = (
        f"Regions lie {attention.mean:.2f} from the prior on a scale where 0 repeats it and, for a "
        f"uniform prior, 1 hears a single confounder; an adjustment weighs by the prior."
    )
    alt = f"Mean divergence of attention from the prior: {attention.mean:.3f}"
    return Panel("Attention against the prior", caption, draw(paint, _tall(names)), alt)


def _posterior(found: SitePosterior) -> Panel:
    shares = np.nan_to_num(found.posterior.cpu().numpy())
    seen = [row for row, count in enumerate(found.images.tolist()) if count]
    sites = [found.sites[row] for row in seen]
    top = max(float(shares.max()), 1e-9)

    def paint(axes: Axes) -> None:
        _rows(axes, found.names)
        for column, row in enumerate(seen):
            for m, share in enumerate(shares[row]):
                cell = Rectangle((column - 0.47, m - 0.45), 0.94, 0.9, color=BAR, linewidth=0)
                cell.set_alpha(0.8 * float(share) / top)
                axes.add_patch(cell)
                axes.text(
                    column, m, f"{100 * share:.0f}", color=INK, fontsize=8, ha="center", va="center"
                )
        axes.set_xlim(-0.5, len(seen) - 0.5)
        axes.set_xticks(range(len(seen)), [_short(site) for site in sites], color=MUTED)
        axes.grid(False)
        axes.set_xlabel("percent of each site", color=MUTED)

    caption = (
        "What the vision-language model reads at each site: columns that differ are the shift "
        "between hospitals, in the words of the pack."
    )
    said = (
        f"{site} mostly {found.names[int(shares[r].argmax())]}"
        for site, r in zip(sites, seen, strict=True)
    )
    return Panel("Confounders by site", caption, draw(paint, _tall(found.names)), "; ".join(said))


def _agreement(found: Sequence[Agreement]) -> Panel:
    labels = [
        f"{textwrap.shorten(one.confounder, LETTERS, placeholder=' …')}\n"
        f"{'more' if one.sign > 0 else 'less'} {one.statistic}"
        for one in found
    ]

    def paint(axes: Axes) -> None:
        _rows(axes, [label.replace("_", " ") for label in labels])
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
    return Panel("Prompts against pixels", caption, draw(paint, _tall(labels)), said)


def _rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows, the first on top."""
    axes.set_yticks(range(len(names)), [_folded(name) for name in names], color=INK, fontsize=9)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="x", color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))


def _folded(name: str) -> str:
    """Return a name in at most two lines, so that most of the width is left to what is drawn."""
    first, *rest = [line for part in name.split("\n") for line in textwrap.wrap(part, LETTERS)]
    second = textwrap.shorten(" ".join(rest), LETTERS, placeholder=" …")
    return f"{first}\n{second}" if rest else first


def _tall(names: Sequence[str]) -> tuple[float, float]:
    """Return a size with room for every row's name."""
    most = max(1 + _folded(name).count("\n") for name in names)
    return 4.2, 0.7 + (0.24 if most == 1 else 0.36) * max(len(names), 3)


def _short(site: str) -> str:
    """Return a site's name as a column can hold it."""
    return site if len(site) <= 6 else site[:5] + "…"
