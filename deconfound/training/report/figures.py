"""The page's drawings: learning curves as theme-aware SVG, pictures as embedded JPEG."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from deconfound.training.extras import missing_extra
from deconfound.training.overlays import (
    PALETTE,
    PREDICTION,
    TRUTH,
    draw_contours,
    draw_heat,
    to_picture,
)
from deconfound.training.report.context import Example, ReportContext

try:
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise missing_extra("matplotlib", "the report") from error

#: Colours that no drawing uses; each stands for one of the page's, which follow light and dark.
INK, MUTED, LINE = "#0a0b01", "#0a0b02", "#0a0b03"
SERIES = ("#0a0b04", "#0a0b05", "#0a0b06", "#0a0b07")
THEME = {INK: "var(--ink)", MUTED: "var(--muted)", LINE: "var(--line)"}
THEME |= {colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)}

#: Longer side of an embedded picture, in pixels.
PICTURE_SIZE = 320

CURVES = (
    ("val_dice", "Validation Dice", "percent, training sites' held-out patients"),
    ("loss", "Training loss", "weighted sum of the terms below"),
    ("seg", "Segmentation loss", "unweighted"),
    ("causal", "Causal loss", "unweighted"),
    ("contrast", "Contrastive loss", "unweighted"),
)


@dataclass(frozen=True, slots=True)
class Panel:
    """A drawing with its words.

    Attributes:
        title: what it shows.
        caption: unit or legend.
        content: inline SVG, or a ``data:`` address.
        alt: what it says, for those who do not see it.
    """

    title: str
    caption: str
    content: str
    alt: str


def curve_panels(context: ReportContext) -> list[Panel]:
    """Draw validation Dice and every loss term that is not zero throughout."""
    panels = []
    for name, title, caption in CURVES:
        curves = [_computed(history.curve(name)) for history in context.histories]
        if all(np.isnan(curve).all() for curve in curves):
            continue
        scale = 100.0 if name == "val_dice" else 1.0
        starts = [h.first_intervening_epoch for h in context.histories]
        start = next((epoch for epoch in starts if epoch), None)
        kept = [h.best.epoch for h in context.histories] if name == "val_dice" else []
        drawn = _curves([scale * curve for curve in curves], start, kept)
        ends = ", ".join(
            f"{result.method} {scale * told[0]:.3g} to {scale * told[-1]:.3g}"
            for result, curve in zip(context.results, curves, strict=True)
            if len(told := curve[np.isfinite(curve)])
        )
        panels.append(Panel(title, caption, drawn, f"{title} from first to last epoch: {ends}"))
    return panels


def _computed(curve: np.ndarray) -> np.ndarray:
    """Leave out the epochs in which a term was not computed: it is exactly 0 there."""
    return np.where(curve == 0, np.nan, curve)


def _curves(curves: Sequence[np.ndarray], start: int | None, kept: Sequence[int]) -> str:
    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "deconfound", "font.size": 10}
    with rc_context(style):
        figure = Figure(figsize=(4.2, 2.3), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(LINE)
        axes.tick_params(colors=MUTED, length=0)
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
            axes.axvline(start + 0.5, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
            axes.annotate(
                "intervention on",
                (start + 0.5, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 3),
                textcoords="offset points",
                color=MUTED,
                fontsize=8.5,
                ha="center",
                annotation_clip=False,
            )
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


def example_panels(example: Example, context: ReportContext) -> list[Panel]:
    """Draw image, truth, every method's contours, and the similarity map of one example."""
    picture = _sized(to_picture(example.image))
    of_classes = PALETTE if context.multiclass else TRUTH
    truth = draw_contours(picture, example.truth, of_classes)
    panels = [
        Panel("Image", "", _embedded(picture), f"{example.title}, the image itself"),
        Panel("Truth", "", _embedded(truth), f"{example.title}, true contour"),
    ]
    for method, predicted in example.predictions.items():
        if context.multiclass:
            drawn = draw_contours(picture, predicted, PALETTE)
        else:
            drawn = draw_contours(truth, predicted, PREDICTION)
        dice = f"Dice {100 * example.dice[method]:.1f}%"
        alt = f"{example.title}, contour predicted by {method}, {dice}"
        panels.append(Panel(method, dice, _embedded(drawn), alt))
    heat = draw_heat(picture, example.scores, example.kept)
    share = f"{100 * example.kept.mean():.0f}% kept"
    alt = f"{example.title}, similarity to the lesion texts, regions kept outlined in white"
    return [*panels, Panel("Similarity Ŝ", share, _embedded(heat), alt)]


def _sized(picture: Image.Image) -> Image.Image:
    scale = PICTURE_SIZE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _embedded(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
