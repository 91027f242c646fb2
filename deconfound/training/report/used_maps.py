"""The section's pictures: masks under each confounder, and what is a number for every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from deconfound.diagnostics import Counterfactuals, WhatWasUsed
from deconfound.training.overlays import PALETTE, PREDICTION, draw_contours, draw_heat, to_picture
from deconfound.training.report.figures import embedded, sized
from deconfound.training.report.svg import Panel

PICTURES = 3
"""How many images are shown with a map."""

STRIPS = 2
"""How many images are shown under every confounder."""

STRIP_SIZE = 240
"""Longer side of each of those pictures, in pixels: they are many."""

VISIBLE = 0.005
"""Spread of a pixel's probability from which an image is shown."""

SCALE = "Dark blue: least, yellow: most of that image; the images where it is largest."


@dataclass(frozen=True, slots=True)
class Maps:
    """Pictures of one kind, with what they are of."""

    title: str
    caption: str
    panels: Sequence[Panel]


def used_maps(used: WhatWasUsed) -> list[Maps]:
    """Draw what can be seen on images, on those that say most about it."""
    under = used.done or used.counterfactual
    maps = []
    if under is not None:
        maps += _strips(used, under)
        maps.append(
            Maps(
                "Where the mask depends on the confounder",
                f"Standard deviation of a pixel's probability over the confounders. {SCALE}",
                _heat_panels(used.close, under.spread, "where its mask depends on the confounder"),
            )
        )
    if used.jensen is not None:
        maps.append(
            Maps(
                "Where averaging early changes the mask",
                f"The Jensen gap: a pixel's mean probability over the confounders, less that of "
                f"the mean over the confounders. {SCALE}",
                _heat_panels(used.close, used.jensen, "where averaging early changes its mask"),
            )
        )
    return [one for one in maps if one.panels]


def _strips(used: WhatWasUsed, under: Counterfactuals) -> list[Maps]:
    """Show an image as it is, and its mask when each confounder is set in turn."""
    if under.pictures is None:
        caption = "The mask when each confounder alone is set in the features, which are decoded."
    else:
        caption = (
            "Each confounder that can be drawn is drawn onto the image, and the mask is the "
            "model's answer."
        )
    caption += " Contours that differ are what the confounder decides."
    return [
        Maps(f"Image {row + 1} under each confounder", caption, _strip(used, under, row))
        for row in sorted(_largest(under.spread)[:STRIPS])
    ]


def _strip(used: WhatWasUsed, under: Counterfactuals, row: int) -> list[Panel]:
    taken = used.close[row].cpu().numpy()
    as_it_is = embedded(sized(to_picture(taken), STRIP_SIZE))
    panels = [Panel("As it is", "", as_it_is, f"Image {row + 1} as it is")]
    masks = _masks(under.probabilities[:, row]).cpu().numpy()
    colours = PREDICTION if under.probabilities.shape[2] == 1 else PALETTE
    for m, (name, mask) in enumerate(zip(under.names, masks, strict=True)):
        shown = taken if under.pictures is None else under.pictures[m, row].numpy()
        drawn = draw_contours(sized(to_picture(shown), STRIP_SIZE), mask, colours)
        covers = f"{100 * (mask > 0).mean():.1f}% lesion"
        alt = f"Image {row + 1} under {name}, {covers}"
        panels.append(Panel(name, covers, embedded(drawn), alt))
    return panels


def _masks(probabilities: Tensor) -> Tensor:
    """Turn probabilities (M, C, H, W) into class indices (M, H, W)."""
    if probabilities.shape[1] == 1:
        return (probabilities[:, 0] > 0.5).long()
    return probabilities.argmax(dim=1)


def _largest(heat: Tensor) -> list[int]:
    """Return the images (B, H, W) from the largest mean to the least."""
    means = heat.cpu().numpy().mean(axis=(1, 2))
    order: list[int] = np.argsort(-means, kind="stable").tolist()
    return order


def _heat_panels(images: Tensor, heat: Tensor, what: str) -> list[Panel]:
    """Draw a heat map (B, H, W) in probability on the images that it is most about."""
    values = heat.cpu().numpy()
    rows = [row for row in _largest(heat)[:PICTURES] if values[row].max() >= VISIBLE]
    panels = []
    for row in sorted(rows):
        picture = sized(to_picture(images[row].cpu().numpy()))
        largest = f"up to {100 * values[row].max():.0f} points"
        alt = f"Image {row + 1}: {what}, {largest}"
        drawn = embedded(draw_heat(picture, values[row]))
        panels.append(Panel(f"Image {row + 1}", largest, drawn, alt))
    return panels
