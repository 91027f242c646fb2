"""What was learned, to look at: t-SNE of lesions, and masks on frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, default_collate

from deconfound import CausalSegmenter
from deconfound.errors import ConfigurationError, RunFolderError
from deconfound.overlap import predicted_mask
from deconfound.training.extras import missing_extra

from ..cohort import Cohort, assemble
from ..methods import configured, title_of
from .cells import Cell
from .settings import StudySettings
from .store import Store

SHOWN = ("baseline", "mcdrl", "adjusted")
"""Methods of the figures, as far as they are compared."""

POINTS = 300
"""Frames of a t-SNE, evenly from training sites' validation patients and the held-out site."""

FRAMES = 6
"""Frames of the held-out site, from the worst Dice to the best in even steps."""


def tsne(cells: Sequence[Cell], settings: StudySettings, store: Store) -> Path:
    """Draw lesions' embeddings by class and by site, before and after the intervention.

    A point is a frame: the mean over its lesion of what goes into the intervention, and of what
    the decoder reads at its deepest level. Beside each picture stands the silhouette, which has no
    perplexity and no seed: high by class and low by site is what adjusting promises.
    """
    cells = _one_holdout(_shown(cells))
    figure, axes = _axes(rows=4, columns=len(cells), size=3.2)
    for column, cell in enumerate(cells):
        model, cohort = _model(cell, store), _cohort(cell, settings)
        points = _points(model, cohort)
        for row, (where, features) in enumerate(points.features.items()):
            flat = _embedded(features)
            for half, (by, labels) in enumerate(points.labels.items()):
                axis = axes[2 * row + half][column]
                _scatter(axis, flat, labels)
                score = _silhouette(features, labels)
                axis.set_title(f"{where}, by {by}: silhouette {score}", fontsize=7)
        axes[0][column].annotate(
            title_of(cell.method, settings), (0.5, 1.25), xycoords="axes fraction", ha="center"
        )
    axes[0][-1].legend(fontsize=6, loc="upper right")
    axes[1][-1].legend(fontsize=6, loc="upper right")
    return _save(figure, store, f"tsne-{cells[0].holdout}")


def qualitative(cells: Sequence[Cell], settings: StudySettings, store: Store) -> Path:
    """Draw frames of the held-out site with the truth and every method's mask.

    Raises:
        ConfigurationError: pictures were to be left out.
    """
    if not settings.pictures:
        raise ConfigurationError(
            "figure qualitative: expected leave to show frames, found --no-pictures; leave one out"
        )
    cells = _one_holdout(_shown(cells))
    cohort = _cohort(cells[0], settings)
    dice = store.images(cells[-1:])["dice"].to_numpy()
    order = np.argsort(dice, kind="stable")
    rows = order[np.linspace(0, len(order) - 1, min(FRAMES, len(order))).round().astype(int)]
    batch = default_collate([cohort.target[int(row)] for row in rows])
    figure, axes = _axes(rows=len(rows), columns=2 + len(cells), size=1.8)
    drawn = {"Frame": None, "Truth": batch["mask"]}
    drawn |= {title_of(c.method, settings): _masks(_model(c, store), batch) for c in cells}
    for column, (title, masks) in enumerate(drawn.items()):
        axes[0][column].set_title(title, fontsize=8)
        for row, image in enumerate(batch["image"]):
            axes[row][column].imshow(image.permute(1, 2, 0).numpy())
            if masks is not None and masks[row].any():
                axes[row][column].contour(masks[row].numpy() > 0, [0.5], colors="#00e5ff")
    return _save(figure, store, f"qualitative-{cells[0].holdout}")


Draw = Callable[[Sequence[Cell], StudySettings, Store], Path]
FIGURES: Mapping[str, Draw] = {"tsne": tsne, "qualitative": qualitative}


@dataclass(frozen=True)
class _Points:
    """Frames as points: features (n, d) by where they were taken, and labels by their kind."""

    features: dict[str, np.ndarray]
    labels: dict[str, list[str]]


def _shown(cells: Sequence[Cell]) -> list[Cell]:
    found = [cell for method in SHOWN for cell in cells if cell.method == method]
    if not found:
        raise ConfigurationError(
            f"figure: expected one of {', '.join(SHOWN)} among --methods, found none"
        )
    return found


def _one_holdout(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells of the first backbone and held-out site: a figure shows one of each."""
    first = cells[0]
    return [c for c in cells if (c.backbone, c.holdout) == (first.backbone, first.holdout)]


def _model(cell: Cell, store: Store) -> CausalSegmenter:
    path = store.model_path(cell)
    if not path.exists():
        raise RunFolderError(
            f"{path}: expected the trained model, found none; it was trained with "
            f"--no-keep-models: delete {store.path(cell)} and give the command again"
        )
    return CausalSegmenter.from_pretrained(path)


def _cohort(cell: Cell, settings: StudySettings) -> Cohort:
    config = configured(cell.method, settings.recipe(cell), dict(cell.setting))
    return assemble(config, settings.prompts(cell), lambda done, total: None)


@torch.no_grad()
def _points(model: CausalSegmenter, cohort: Cohort) -> _Points:
    """Read frames with a lesion: half of them from the held-out site."""
    frames: Any = ConcatDataset([cohort.validation, cohort.target])
    before, after, classes, sites = [], [], [], []
    for row in _evenly(len(cohort.validation), len(cohort.target)):
        item = frames[row]
        if not item["mask"].any():
            continue
        traced = model.trace(model.normalize(item["image"][None]))
        grid = torch.zeros(1, traced.regions.features.shape[-1], traced.scores[0].numel())
        index = traced.regions.index[:, None].expand(-1, grid.shape[1], -1)
        chosen = traced.regions.features.transpose(1, 2)
        grid = grid.scatter(2, index, chosen).view(1, -1, *traced.scores.shape[1:])
        before.append(_over_lesion(grid, item["mask"]))
        after.append(_over_lesion(traced.levels[-1], item["mask"]))
        known = item["class_index"] >= 0
        classes.append(model.pack.class_names[item["class_index"]] if known else "lesion")
        sites.append(cohort.sites[item["site_index"]])
    return _Points(
        {"before": torch.cat(before).numpy(), "after": torch.cat(after).numpy()},
        {"class": classes, "site": sites},
    )


def _evenly(seen: int, unseen: int) -> list[int]:
    """Return positions in two sets joined, as many of each, evenly spread."""
    each = min(POINTS // 2, seen, unseen)
    steps = [np.linspace(0, count - 1, each).round().astype(int) for count in (seen, unseen)]
    return [int(i) for i in steps[0]] + [seen + int(i) for i in steps[1]]


def _over_lesion(maps: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of maps (1, c, h, w) over the lesion, (1, c), at the maps' size."""
    height, width = maps.shape[-2:]
    lesion = (mask > 0).float()[None, None]
    share = torch.nn.functional.adaptive_avg_pool2d(lesion, (height, width))
    return (maps * share).sum((2, 3)) / share.sum().clamp_min(1e-6)


def _embedded(features: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    perplexity = min(30, max(2, (len(features) - 1) // 3))
    return TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(features)


def _silhouette(features: np.ndarray, labels: Sequence[str]) -> str:
    from sklearn.metrics import silhouette_score

    if not 2 <= len(set(labels)) < len(labels):
        return "–"
    return f"{silhouette_score(features, labels):+.2f}".replace("-", "−")


def _masks(model: CausalSegmenter, batch: dict[str, Any]) -> Tensor:
    with torch.no_grad():
        return predicted_mask(model(model.normalize(batch["image"])))


def _scatter(axis: Any, points: np.ndarray, labels: Sequence[str]) -> None:
    for label in sorted(set(labels)):
        own = np.array([each == label for each in labels])
        axis.scatter(*points[own].T, s=5, label=label)


def _axes(rows: int, columns: int, size: float) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra("matplotlib", "figures") from error
    figure = Figure(figsize=(size * columns, size * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    return figure, axes


def _save(figure: Any, store: Store, name: str) -> Path:
    folder = store.folder / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace(' ', '-')}.png"
    figure.savefig(path, dpi=160)
    return path
