"""The section's grids: confounders by site, by class, and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from deconfound.diagnostics import ClassOverlap, DictionaryHealth
from deconfound.diagnostics.posterior import SitePosterior
from deconfound.training.report.rows import BAR, MARKED, name_rows, short, tall
from deconfound.training.report.svg import INK, MUTED, Panel, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED = 3
"""How many thin cells are said to those who do not see the drawing."""


def posterior_panel(found: SitePosterior) -> Panel:
    """Draw which confounders are read at which site."""
    shares = np.nan_to_num(found.posterior.cpu().numpy())
    seen = [row for row, count in enumerate(found.images.tolist()) if count]
    sites = [found.sites[row] for row in seen]
    top = max(float(shares.max()), 1e-9)

    def paint(axes: Axes) -> None:
        name_rows(axes, found.names)
        for column, row in enumerate(seen):
            for m, share in enumerate(shares[row]):
                _cell(axes, column, m, 0.8 * float(share) / top)
                _write(axes, column, m, f"{100 * share:.0f}")
        _columns(axes, sites)
        axes.set_xlabel("percent of each site", color=MUTED)

    caption = (
        "What the vision-language model reads at each site: columns that differ are the shift "
        "between hospitals, in the words of the pack."
    )
    said = (
        f"{site} mostly {found.names[int(shares[r].argmax())]}"
        for site, r in zip(sites, seen, strict=True)
    )
    return Panel("Confounders by site", caption, draw(paint, tall(found.names)), "; ".join(said))


def overlap_panel(cells: ClassOverlap, in_training: bool) -> Panel:
    """Draw how many images each class has under each confounder, and where they are too few."""
    found, share = cells.found.cpu().numpy(), cells.share.cpu().numpy()
    thin, judged = cells.thin.cpu().numpy(), cells.judged.cpu().numpy()
    seen = [row for row, count in enumerate(cells.images.tolist()) if count]

    def paint(axes: Axes) -> None:
        name_rows(axes, cells.names)
        for column, k in enumerate(seen):
            for m, images in enumerate(found[k]):
                strength = 0.3 * min(float(share[k, m]), 2.0) if judged[k, m] else 0.0
                _cell(axes, column, m, strength, marked=bool(thin[k, m]))
                _write(axes, column, m, f"{images:.1f}", INK if judged[k, m] else MUTED)
        _columns(axes, [cells.class_names[k] for k in seen])
        axes.set_xlabel("images, by lesion class", color=MUTED)

    caption = (
        f"{'Training images' if in_training else 'Images'} of each class that are read as showing "
        f"each confounder, darker the more there are for its prior: an outlined cell holds too few "
        f"to adjust in, and a grey number is one where too few are expected to say."
    )
    names = [
        f"{cells.class_names[k]} under {cells.names[m]}"
        for k, m in zip(*thin.nonzero(), strict=True)
    ]
    more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
    said = f"Too few: {'; '.join([*names[:NAMED], *more])}" if names else "No cell is too thin"
    return Panel("Overlap of class and confounder", caption, draw(paint, tall(cells.names)), said)


def gram_panel(health: DictionaryHealth, names: Sequence[str]) -> Panel:
    """Draw how alike the dictionary's embeddings are.

    Args:
        health: of a dictionary of two or more.
        names: of its confounders, in words.
    """
    gram = health.gram.cpu().numpy()
    place = {name: row for row, name in enumerate(health.names)}
    alike = {frozenset(place[one] for one in pair.names) for pair in health.near_duplicates}
    numbered = [f"{row + 1} {name}" for row, name in enumerate(names)]

    def paint(axes: Axes) -> None:
        name_rows(axes, numbered)
        for row, column in np.ndindex(*gram.shape):
            if row == column:
                continue  # an embedding and itself, which would outshine the others
            cosine = float(gram[row, column])
            colour = BAR if cosine > 0 else MARKED
            marked = {row, column} in alike
            _cell(axes, column, row, 0.8 * min(abs(cosine), 1.0), colour, marked)
        _columns(axes, [str(row + 1) for row in range(len(names))])

    most = np.where(np.eye(len(names), dtype=bool), -np.inf, gram)
    row, column = (int(i) for i in np.unravel_index(most.argmax(), most.shape))
    caption = (
        f"Cosines between the embeddings (Gram matrix), darker the more alike, orange where "
        f"opposed: these {len(names)} fill {health.effective_rank:.1f} directions (effective "
        f"rank), and attention can hardly tell an outlined pair apart."
    )
    said = f"Most alike: {names[row]} and {names[column]} ({gram[row, column]:.2f})"
    return Panel("What the prompts have in common", caption, draw(paint, tall(numbered)), said)


def _cell(
    axes: Axes, column: int, row: int, strength: float, colour: str = BAR, marked: bool = False
) -> None:
    """Fill one cell; a marked one has an outline too."""
    from matplotlib.patches import Rectangle

    corner = (column - 0.47, row - 0.45)
    axes.add_patch(Rectangle(corner, 0.94, 0.9, color=colour, linewidth=0, alpha=strength))
    if marked:
        edge = Rectangle(corner, 0.94, 0.9, fill=False, edgecolor=MARKED, linewidth=1.6)
        axes.add_patch(edge)


def _write(axes: Axes, column: int, row: int, text: str, colour: str = INK) -> None:
    axes.text(column, row, text, color=colour, fontsize=8, ha="center", va="center")


def _columns(axes: Axes, names: Sequence[str]) -> None:
    axes.set_xlim(-0.5, len(names) - 0.5)
    size = 10 if len(names) <= 9 else 8
    ticks = [short(name) for name in names]
    axes.set_xticks(range(len(names)), ticks, color=MUTED, fontsize=size)
    axes.grid(False)
