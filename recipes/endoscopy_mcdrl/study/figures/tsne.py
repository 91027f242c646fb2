"""``figure tsne``: lesions' embeddings, by class and by site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from ..cells import Cell
from ..settings import StudySettings
from ..store import Store
from .canvas import grid, save
from .finished import cohort_of, model_of, titles_of
from .points import UNCHANGED, Points, points_of, with_lesion

LETTERS = 17
"""Of a caption, to an inch."""

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#5c5c5c", "#b8a800")
"""Of Okabe and Ito, in the order of labels; more labels than colours begin again."""


def require_lesions(settings: StudySettings) -> None:
    """Look, before anything is trained, whether there are lesions enough for a t-SNE.

    Args:
        settings: of what it shows, as `shown` returns them.

    Raises:
        DataError: fewer frames with a lesion than `FEWEST`.
    """
    (site,), (backbone, *_) = settings.holdouts, settings.all_backbones
    with_lesion(cohort_of(Cell(settings.methods[0], backbone, site, settings.seed), settings))


def draw(cells: Sequence[Cell], settings: StudySettings, store: Store) -> Path:
    """Draw lesions' embeddings by class and by site, before and after the intervention.

    A point is a frame: the mean of the regions that were selected over its lesion, each counting
    as much as the lesion covers of it. They are F before the intervention and F_ca after it, in
    the same space, and a method's two pictures are one map; where no region changes there is one
    picture. Below each stands the silhouette, which has no perplexity and no seed: high by class
    and low by site is what adjusting promises.

    Raises:
        DataError: fewer frames than `FEWEST` with a lesion, or with a region selected over it.
    """
    cohort, titles = cohort_of(cells[0], settings), titles_of(cells, settings)
    rows = with_lesion(cohort)
    points = [points_of(model_of(cell, store), cohort, rows) for cell in cells]
    panels = [
        (f"{title}\n{when}", flat, features, of)
        for title, of in zip(titles, points, strict=True)
        for (when, features), flat in zip(of.features.items(), _embedded(of), strict=True)
    ]
    colours = {by: _colours(x for of in points for x in of.labels[by]) for by in points[0].labels}
    figure, axes = grid(len(colours), 1 + len(panels), size=2.4, first=1.3)
    for axis, (by, own) in zip(axes[:, 0], colours.items(), strict=True):
        _explain(axis, by, own, cohort.holdout)
    for column, (heading, flat, features, of) in zip(axes.T[1:], panels, strict=True):
        column[0].set_title(heading, fontsize=9)
        for axis, (by, labels) in zip(column, of.labels.items(), strict=True):
            _scatter(axis, flat, labels, of.unseen, colours[by])
            axis.set_xlabel(f"silhouette {_silhouette(features, labels)}", fontsize=8)
    _write_below(figure, _caption(titles, points, len(rows)))
    return save(figure, store, f"tsne-{cohort.holdout}")


def _caption(titles: Sequence[str], points: Sequence[Points], lesions: int) -> str:
    """Say what a point is, and how many frames are missing."""
    left = {title: lesions - len(of.unseen) for title, of in zip(titles, points, strict=True)}
    missing = ", ".join(f"{count} ({title})" for title, count in left.items() if count)
    unchanged = any(UNCHANGED in of.features for of in points)
    return (
        "A point is a frame: the mean of the regions that were selected over its lesion, before "
        "the intervention (F) and after it (F_ca), in the joint space of image and text; a "
        "method's two pictures are one map. "
        + f"{UNCHANGED.capitalize()}: after is before. "
        * unchanged
        + f"Of {lesions} frames with a lesion, those without such a region are left out: "
        f"{missing or 'none'}."
    )


def _embedded(points: Points) -> list[np.ndarray]:
    """Return places (n, 2), 0 to 1, before and after in one map: what did not move stands still."""
    from sklearn.manifold import TSNE

    features = np.concatenate([*points.features.values()])
    perplexity = min(30, (len(features) - 1) // 3)
    flat = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(features)
    placed = (flat - flat.min(0)) / np.ptp(flat, 0).clip(1e-6)
    return np.split(placed, len(points.features))


def _silhouette(features: np.ndarray, labels: Sequence[str]) -> str:
    from sklearn.metrics import silhouette_score

    if not 2 <= len(set(labels)) < len(labels):
        return "–"
    return f"{silhouette_score(features, labels):+z.2f}".replace("-", "−")


def _scatter(
    axis: Any,
    points: np.ndarray,
    labels: Sequence[str],
    unseen: np.ndarray,
    colours: Mapping[str, str],
) -> None:
    """Draw points, 0 to 1, in the colours of their labels; the held-out site's are triangles."""
    for label, colour in colours.items():
        own = np.array([each == label for each in labels])
        for marker, of in (("o", own & ~unseen), ("^", own & unseen)):
            axis.scatter(*points[of].T, s=16, c=colour, marker=marker, alpha=0.85, linewidths=0)
    axis.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))


def _colours(labels: Iterable[str]) -> dict[str, str]:
    return {label: COLOURS[n % len(COLOURS)] for n, label in enumerate(sorted(set(labels)))}


def _explain(axis: Any, by: str, colours: Mapping[str, str], holdout: str) -> None:
    """Fill the first column: what the colours of a row say, and the marks."""
    from matplotlib.lines import Line2D

    def mark(marker: str, colour: str, label: str) -> Line2D:
        return Line2D([], [], ls="", marker=marker, color=colour, label=label)

    handles = [mark("s", colour, label) for label, colour in colours.items()]
    handles += [mark("o", "#5c5c5c", "seen in training"), mark("^", "#5c5c5c", holdout)]
    axis.axis("off")
    axis.legend(
        handles=handles[:-2] if by == "site" else handles,
        title=f"by {by}",
        loc="center left",
        bbox_to_anchor=(-0.1, 0.5),
        frameon=False,
        fontsize=8,
        alignment="left",
    )


def _write_below(figure: Any, text: str) -> None:
    """Write lines as long as the figure is wide."""
    lines = fill(text, int(LETTERS * figure.get_figwidth()))
    figure.supxlabel(lines, fontsize=8, x=0.01, ha="left")
