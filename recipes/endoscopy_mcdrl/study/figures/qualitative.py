"""``figure qualitative``: frames with the truth and every method's mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from deconfound import CausalSegmenter
from deconfound.overlap import predicted_mask
from deconfound.training.overlays import PREDICTION, TRUTH, draw_contours, hex_of, to_picture

from ...pictures import worst_to_best
from ..cells import Cell
from ..settings import StudySettings
from ..store import Store
from .canvas import grid, save
from .finished import cohort_of, model_of, titles_of

FRAMES = 6
"""Frames of the held-out site, from the last method's worst Dice to its best in even steps."""

SIDE = 320
"""Side of a frame in a figure, in pixels."""

OUTLINE = 3
"""Width of an outline in it, in pixels."""


def draw(cells: Sequence[Cell], settings: StudySettings, store: Store) -> Path:
    """Draw frames of the held-out site with the truth and every method's mask."""
    cohort = cohort_of(cells[0], settings)
    dice = [store.images([cell])["dice"].to_numpy() for cell in cells]
    rows = worst_to_best(dice[-1], FRAMES).tolist()
    batch = default_collate([cohort.target[row] for row in rows])
    masks = [_masks(model_of(cell, store), batch) for cell in cells]
    figure, axes = grid(1 + len(cells), len(rows), size=2.0)
    titles = titles_of(cells, settings)
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
    return save(figure, store, f"qualitative-{cells[0].holdout}")


def _masks(model: CausalSegmenter, batch: dict[str, Any]) -> Tensor:
    with torch.no_grad():
        return predicted_mask(model(model.normalize(batch["image"])))


def _name_outlines(figure: Any, title: str) -> None:
    from matplotlib.lines import Line2D

    named = {"truth": TRUTH, "prediction": PREDICTION}
    handles = [
        Line2D([], [], lw=3, color=hex_of(colour), label=name) for name, colour in named.items()
    ]
    place = {"loc": "outside lower center", "ncols": 2, "frameon": False, "fontsize": 9}
    figure.legend(handles=handles, title=title, title_fontsize=8, **place)
