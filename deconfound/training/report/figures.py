"""The page's drawings: learning curves as theme-aware SVG, pictures as embedded JPEG."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from deconfound.training.overlays import (
    PALETTE,
    PREDICTION,
    TRUTH,
    draw_contours,
    draw_heat,
    to_picture,
)
from deconfound.training.report.context import Adjusted, Example, ReportContext, Weighed
from deconfound.training.report.svg import LINE, MUTED, SERIES, Panel, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Longer side of an embedded picture, in pixels.
PICTURE_SIZE = 320

LOSSES = (
    ("loss", "Training loss", "weighted sum of the terms below"),
    ("seg", "Segmentation loss", "unweighted"),
    ("causal", "Causal loss", "unweighted"),
    ("contrast", "Contrastive loss", "unweighted"),
)


def curve_panels(context: ReportContext) -> list[Panel]:
    """Draw validation Dice and every loss term that is not zero throughout."""
    if not context.histories:
        return []
    of = f"{context.held_out} itself" if context.oracle else "training sites' held-out patients"
    dice = [100 * history.curve("val_dice") for history in context.histories]
    kept = [history.best.epoch for history in context.histories]
    panels = [_curve_panel(context, "Validation Dice", f"percent, {of}", dice, kept)]
    for name, title, caption in LOSSES:
        curves = [_computed(history.curve(name)) for history in context.histories]
        if not all(np.isnan(curve).all() for curve in curves):
            panels.append(_curve_panel(context, title, caption, curves))
    return panels


def _curve_panel(
    context: ReportContext,
    title: str,
    caption: str,
    curves: Sequence[np.ndarray],
    kept: Sequence[int] = (),
) -> Panel:
    starts = [history.first_intervening_epoch for history in context.histories]
    drawn = _curves(curves, next((epoch for epoch in starts if epoch), None), kept)
    ends = ", ".join(
        f"{result.method} {told[0]:.3g} to {told[-1]:.3g}"
        for result, curve in zip(context.results, curves, strict=True)
        if len(told := curve[np.isfinite(curve)])
    )
    return Panel(title, caption, drawn, f"{title} from first to last epoch: {ends}")


def _computed(curve: np.ndarray) -> np.ndarray:
    """Leave out the epochs in which a loss was not computed: it is exactly 0 there."""
    return np.where(curve == 0, np.nan, curve)


def _curves(curves: Sequence[np.ndarray], start: int | None, kept: Sequence[int]) -> str:
    from matplotlib.ticker import MaxNLocator

    def paint(axes: Axes) -> None:
        axes.grid(axis="y", color=LINE, linewidth=0.7)
        axes.set_xlabel("epoch", color=MUTED)
        axes.set_xlim(0.5, max(len(curve) for curve in curves) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
        for number, curve in enumerate(curves):
            colour = SERIES[number % len(SERIES)]
            epochs = np.arange(1, len(curve) + 1)
            marker = "o" if len(curve) == 1 else None
            axes.plot(epochs, curve, color=colour, linewidth=1.9, marker=marker, markersize=4)
            if number < len(kept):
                best = kept[number]
                axes.plot(best + 1, curve[best], "o", color=colour, markersize=5.5)
        if start is not None:
            _mark_start(axes, start + 0.5)

    return draw(paint)


def _mark_start(axes: Axes, place: float) -> None:
    axes.axvline(place, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    axes.annotate(
        "intervention on",
        (place, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        color=MUTED,
        fontsize=8.5,
        ha="center",
        annotation_clip=False,
    )


def example_panels(example: Example, context: ReportContext) -> list[Panel]:
    """Draw image, truth, every method's contours, and the similarity map of one example."""
    picture = sized(to_picture(example.image))
    of_classes = PALETTE if context.multiclass else TRUTH
    truth = draw_contours(picture, example.truth, of_classes)
    panels = [
        Panel("Image", "", embedded(picture), f"{example.title}, the image itself"),
        Panel("Truth", "", embedded(truth), f"{example.title}, true contour"),
    ]
    for method, predicted in example.predictions.items():
        if context.multiclass:
            drawn = draw_contours(picture, predicted, PALETTE)
        else:
            drawn = draw_contours(truth, predicted, PREDICTION)
        dice = f"Dice {100 * example.dice[method]:.1f}%"
        alt = f"{example.title}, contour predicted by {method}, {dice}"
        panels.append(Panel(method, dice, embedded(drawn), alt))
    heat = draw_heat(picture, example.scores, example.kept)
    share = f"{100 * example.kept.mean():.0f}% kept"
    alt = f"{example.title}, similarity to the lesion texts, regions kept outlined in white"
    return [*panels, Panel("Similarity Ŝ", share, embedded(heat), alt)]


def adjusted_panels(adjusted: Adjusted, context: ReportContext) -> list[Panel]:
    """Draw a training image and what the adjustment made of it, each with its true contour."""
    colours = PALETTE if context.multiclass else TRUTH
    found = draw_contours(sized(to_picture(adjusted.image)), adjusted.truth, colours)
    made = draw_contours(sized(to_picture(adjusted.made_image)), adjusted.made_truth, colours)
    words = ("as it was found", "as it was trained with")
    return [
        Panel(adjusted.title, each, embedded(picture), f"{adjusted.title}, {each}")
        for each, picture in zip(words, (found, made), strict=True)
    ]


def weighed_panels(pair: tuple[Weighed, Weighed], context: ReportContext) -> list[Panel]:
    """Draw the training images of a class that count most and least, each with its contour."""
    colours = PALETTE if context.multiclass else TRUTH
    return [
        Panel(
            each.title,
            f"{each.weight:.1f}",
            embedded(draw_contours(sized(to_picture(each.image)), each.truth, colours)),
            f"{each.title}, counts {each.weight:.1f} times",
        )
        for each in pair
    ]


def sized(picture: Image.Image, side: int = PICTURE_SIZE) -> Image.Image:
    """Scale a picture to the longer side with which it is embedded, in pixels."""
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def embedded(picture: Image.Image) -> str:
    """Return the picture as a ``data:`` address."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
