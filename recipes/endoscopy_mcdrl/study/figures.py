"""What was learned, to look at: t-SNE of lesions, and masks on frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.utils.data import ConcatDataset, default_collate

from deconfound import CausalSegmenter
from deconfound.errors import ConfigurationError, DataError, RunFolderError
from deconfound.overlap import predicted_mask
from deconfound.training.extras import missing_extra
from deconfound.training.files import write_atomically
from deconfound.training.overlays import PREDICTION, TRUTH, draw_contours, to_picture
from deconfound.types import Explanation

from ..cohort import Cohort, assemble
from ..console import counting
from ..methods import configured, title_of
from .cells import Cell, file_name
from .settings import StudySettings
from .store import Store

SHOWN = ("baseline", "mcdrl", "adjusted")
"""Methods of the figures, as far as they are compared."""

POINTS = 300
"""Frames of a t-SNE, evenly from training sites' validation patients and the held-out site."""

FEWEST = 10
"""Frames with a lesion below which a t-SNE shows nothing."""

FRAMES = 6
"""Frames of the held-out site, from the last method's worst Dice to its best in even steps."""

SIDE = 320
"""Side of a frame in a figure, in pixels."""

OUTLINE = 3
"""Width of an outline in it, in pixels."""

LETTERS = 17
"""Of a caption, to an inch."""

UNCHANGED = "no intervention"
"""Stands over the one picture of a method that leaves every region as it is."""

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#5c5c5c", "#b8a800")
"""Of Okabe and Ito, in the order of labels; more labels than colours begin again."""


def shown(settings: StudySettings, holdouts: Sequence[str], needs_pictures: bool) -> StudySettings:
    """Return the settings of what a figure shows, which is all that it has trained.

    It shows the first held-out site, the first backbone, the first seed, and `SHOWN`.

    Args:
        settings: of the study.
        holdouts: its held-out sites.
        needs_pictures: whether the figure shows frames.

    Raises:
        ConfigurationError: no method that figures show, or pictures were to be left out.
    """
    methods = tuple(method for method in SHOWN if method in settings.methods)
    if not methods:
        raise ConfigurationError(
            f"figure: expected one of {', '.join(SHOWN)} among --methods, found none"
        )
    if needs_pictures and not settings.pictures:
        raise ConfigurationError(
            "figure qualitative: expected leave to show frames, found --no-pictures; leave one out"
        )
    first = {"holdouts": (holdouts[0],), "backbones": settings.all_backbones[:1]}
    return settings.model_copy(update={**first, "methods": methods, "seeds": 1})


def require_lesions(settings: StudySettings) -> None:
    """Look, before anything is trained, whether there are lesions enough for a t-SNE.

    Args:
        settings: of what it shows, as `shown` returns them.

    Raises:
        DataError: fewer frames with a lesion than `FEWEST`.
    """
    (site,), (backbone, *_) = settings.holdouts, settings.all_backbones
    _lesions(_cohort(Cell(settings.methods[0], backbone, site, settings.seed), settings))


def tsne(cells: Sequence[Cell], settings: StudySettings, store: Store) -> Path:
    """Draw lesions' embeddings by class and by site, before and after the intervention.

    A point is a frame: the mean of the regions that were selected over its lesion, each counting
    as much as the lesion covers of it. They are F before the intervention and F_ca after it, in
    the same space, and a method's two pictures are one map; where no region changes there is one
    picture. Below each stands the silhouette, which has no perplexity and no seed: high by class
    and low by site is what adjusting promises.

    Raises:
        DataError: fewer frames than `FEWEST` with a lesion, or with a region selected over it.
    """
    cohort, titles = _cohort(cells[0], settings), _titles(cells, settings)
    rows = _lesions(cohort)
    points = [_points(_model(cell, store), cohort, rows) for cell in cells]
    panels = [
        (f"{title}\n{when}", flat, features, of)
        for title, of in zip(titles, points, strict=True)
        for (when, features), flat in zip(of.features.items(), _embedded(of), strict=True)
    ]
    colours = {by: _colours(x for of in points for x in of.labels[by]) for by in points[0].labels}
    figure, axes = _axes(len(colours), 1 + len(panels), size=2.4, first=1.3)
    for axis, (by, own) in zip(axes[:, 0], colours.items(), strict=True):
        _explain(axis, by, own, cohort.holdout)
    for column, (heading, flat, features, of) in zip(axes.T[1:], panels, strict=True):
        column[0].set_title(heading, fontsize=9)
        for axis, (by, labels) in zip(column, of.labels.items(), strict=True):
            _scatter(axis, flat, labels, of.unseen, colours[by])
            axis.set_xlabel(f"silhouette {_silhouette(features, labels)}", fontsize=8)
    _write_below(figure, _caption(titles, points, len(rows)))
    return _save(figure, store, f"tsne-{cohort.holdout}")


def qualitative(cells: Sequence[Cell], settings: StudySettings, store: Store) -> Path:
    """Draw frames of the held-out site with the truth and every method's mask."""
    cohort = _cohort(cells[0], settings)
    dice = [store.images([cell])["dice"].to_numpy() for cell in cells]
    rows = _from_worst_to_best(dice[-1])
    batch = default_collate([cohort.target[row] for row in rows])
    masks = [_masks(_model(cell, store), batch) for cell in cells]
    figure, axes = _axes(1 + len(cells), len(rows), size=2.0)
    titles = _titles(cells, settings)
    for axis, title in zip(axes[:, 0], ["Frame", *titles], strict=True):
        axis.set_ylabel(title, fontsize=9)
    for column, row in enumerate(rows):
        frame = to_picture(batch["image"][column].numpy(), (SIDE, SIDE))
        axes[0][column].imshow(frame)
        outlined = draw_contours(frame, batch["mask"][column].numpy(), TRUTH, OUTLINE)
        for axis, own, scores in zip(axes[1:, column], masks, dice, strict=True):
            axis.imshow(draw_contours(outlined, own[column].numpy(), PREDICTION, OUTLINE))
            axis.set_xlabel(f"Dice {100 * scores[row]:.0f}", fontsize=8)
    _name_outlines(figure, f"{cells[0].holdout}, from worst to best of {titles[-1]}")
    return _save(figure, store, f"qualitative-{cells[0].holdout}")


Draw = Callable[[Sequence[Cell], StudySettings, Store], Path]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that can be asked for.

    Attributes:
        draw: draws finished cells, and returns where.
        needs_pictures: whether it shows frames.
        require: raises what can be said of the settings before anything is trained.
    """

    draw: Draw
    needs_pictures: bool
    require: Callable[[StudySettings], None] = lambda settings: None


FIGURES: Mapping[str, Figure] = {
    "tsne": Figure(tsne, needs_pictures=False, require=require_lesions),
    "qualitative": Figure(qualitative, needs_pictures=True),
}


@dataclass(frozen=True)
class _Points:
    """Frames as points.

    Attributes:
        features: (n, d), by when they were taken.
        labels: n, by their kind.
        unseen: (n,), whether the frame is of the held-out site.
    """

    features: dict[str, np.ndarray]
    labels: dict[str, list[str]]
    unseen: np.ndarray


def _titles(cells: Sequence[Cell], settings: StudySettings) -> list[str]:
    return [title_of(cell.method, settings) for cell in cells]


def _model(cell: Cell, store: Store) -> CausalSegmenter:
    path = store.model_path(cell)
    if not path.exists():
        raise RunFolderError(
            f"{path}: expected the trained model, found none; it was trained with "
            f"--no-keep-models, or lost a search of more --trials: delete {store.path(cell)} and "
            f"give the command again"
        )
    return CausalSegmenter.from_pretrained(path)


def _cohort(cell: Cell, settings: StudySettings) -> Cohort:
    config = configured(cell.method, settings.recipe(cell), dict(cell.setting))
    prompts = settings.prompts(cell)
    return counting(
        Console(stderr=True), "images", lambda progress: assemble(config, prompts, progress)
    )


def _lesions(cohort: Cohort) -> list[int]:
    """Return positions of frames with a lesion in validation and target set, one after the other.

    Raises:
        DataError: fewer than `FEWEST`.
    """
    frames = _frames(cohort)
    spread = _evenly(len(cohort.validation), len(cohort.target))
    rows = [row for row in spread if frames[row]["mask"].any()]
    if len(rows) < FEWEST:
        raise DataError(
            f"figure tsne: expected at least {FEWEST} frames with a lesion among {len(spread)}, "
            f"half of them of {cohort.holdout}, found {len(rows)}; give more images"
        )
    return rows


def _frames(cohort: Cohort) -> Any:
    return ConcatDataset([cohort.validation, cohort.target])


@torch.no_grad()
def _points(model: CausalSegmenter, cohort: Cohort, rows: Sequence[int]) -> _Points:
    """Read frames; those without a region selected over their lesion are left out.

    Raises:
        DataError: fewer than `FEWEST` are not.
    """
    frames = _frames(cohort)
    before, after, classes, sites = [], [], [], []
    for row in rows:
        item = frames[row]
        traced = model.trace(model.normalize(item["image"][None]))
        weights = _lesion_shares(traced, item["mask"])
        if not weights.any():
            continue
        before.append(_mean(traced.regions.features, weights))
        after.append(_mean(traced.intervened.features, weights))
        known = item["class_index"] >= 0
        classes.append(model.pack.class_names[item["class_index"]] if known else "lesion")
        sites.append(cohort.sites[item["site_index"]])
    if len(before) < FEWEST:
        raise DataError(
            f"figure tsne: expected at least {FEWEST} frames with a region selected over their "
            f"lesion, found {len(before)} of {len(rows)}; select more with --alpha, or give more "
            f"images"
        )
    taken = {"before": torch.cat(before).numpy(), "after": torch.cat(after).numpy()}
    if np.array_equal(taken["before"], taken["after"]):
        taken = {UNCHANGED: taken["before"]}
    unseen = np.array([site == cohort.holdout for site in sites])
    return _Points(taken, {"lesion": classes, "site": sites}, unseen)


def _evenly(seen: int, unseen: int) -> list[int]:
    """Return positions in two sets joined, as many of each, evenly spread."""
    each = min(POINTS // 2, seen, unseen)
    steps = [np.linspace(0, count - 1, each).round().astype(int) for count in (seen, unseen)]
    return [int(i) for i in steps[0]] + [seen + int(i) for i in steps[1]]


def _from_worst_to_best(dice: np.ndarray) -> list[int]:
    """Return positions of frames in even steps of their Dice, so that none is picked by hand."""
    order = np.argsort(dice, kind="stable")
    steps = np.linspace(0, len(order) - 1, min(FRAMES, len(order))).round().astype(int)
    return order[steps].tolist()


def _lesion_shares(traced: Explanation, mask: Tensor) -> Tensor:
    """Return how much the lesion covers of each region, (1, N), 0 to 1; mask (H, W)."""
    lesion = (mask > 0).float()[None, None]
    height, width = traced.scores.shape[1:]
    share = torch.nn.functional.adaptive_avg_pool2d(lesion, (height, width))
    return share.flatten(1).gather(1, traced.regions.index)


def _mean(features: Tensor, weights: Tensor) -> Tensor:
    """Return the mean (1, d) of regions (1, N, d), by weights (1, N)."""
    return (features * weights[..., None]).sum(1) / weights.sum()


def _caption(titles: Sequence[str], points: Sequence[_Points], lesions: int) -> str:
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


def _embedded(points: _Points) -> list[np.ndarray]:
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
    return f"{silhouette_score(features, labels):+.2f}".replace("-", "−")


def _masks(model: CausalSegmenter, batch: dict[str, Any]) -> Tensor:
    with torch.no_grad():
        return predicted_mask(model(model.normalize(batch["image"])))


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


def _name_outlines(figure: Any, title: str) -> None:
    from matplotlib.lines import Line2D

    named = {"truth": TRUTH, "prediction": PREDICTION}
    handles = [
        Line2D([], [], lw=3, color="#{:02x}{:02x}{:02x}".format(*colour), label=name)
        for name, colour in named.items()
    ]
    place = {"loc": "outside lower center", "ncols": 2, "frameon": False, "fontsize": 9}
    figure.legend(handles=handles, title=title, title_fontsize=8, **place)


def _axes(rows: int, columns: int, size: float, first: float | None = None) -> tuple[Any, Any]:
    """Return a figure and its axes, (rows, columns), of one size in inches but for the first."""
    try:
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise missing_extra("matplotlib", "figures") from error
    widths = [first or size, *[size] * (columns - 1)]
    canvas = Canvas(figsize=(sum(widths), (size + 0.3) * rows), layout="constrained")
    axes = canvas.subplots(rows, columns, squeeze=False, width_ratios=widths)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_color("#c8c8c8")
    return canvas, axes


def _save(figure: Any, store: Store, name: str) -> Path:
    path = store.folder / "figures" / f"{file_name(name)}.png"
    with store.writing():
        write_atomically(path, partial(figure.savefig, dpi=160))
    return path
