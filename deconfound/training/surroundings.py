"""What surroundings say of a lesion's class, and what is therefore done to the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from deconfound.data.patients import patients
from deconfound.diagnostics.balance import (
    Balance,
    can_be_told,
    class_balance,
    told_by_the_margin,
)
from deconfound.estimators.doing import Pictures
from deconfound.estimators.doing.paint_over import paint_over
from deconfound.estimators.weighting import WeightReport, propensity_weights
from deconfound.training.adjustment import AdjustmentSettings
from deconfound.training.loading import ImageDataset
from deconfound.training.reading import Watch, as_found, embed

MOST = 5000
"""Images that are looked at, in even steps: more cost minutes, and say the same. All are looked at
where each is weighed by what it shows."""

REACH = 0.5
"""How far beyond its outline a lesion is looked for, in diameters of a disc as large as it."""

RESTYLED = 0.7
"""Share that is restyled where nothing can be told: lesions of one class, of unknown ones, or too
few of them. A transplant sets the confounder *of a class*; without one, hospitals still differ in
light and colour (docs/results/loso.md)."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What `auto` comes to; what was given as a number is as it was given.

    Attributes:
        transplant: share of the lesions that are transplanted.
        margin: of the transplants, in diameters.
        restyle: share of the pictures that are restyled.
        weighting: the weights that images are trained with; None weighs all alike.
        notes: what a reader of the run should know, a sentence each.
    """

    transplant: float
    margin: float
    restyle: float
    weighting: WeightReport | None
    notes: tuple[str, ...] = ()


def choose(
    settings: AdjustmentSettings,
    model: Any,
    images: ImageDataset,
    weighting: WeightReport | None = None,
    progress: Watch | None = None,
) -> Chosen:
    """Look how far the class can be told from surroundings, and choose what was left to that.

    *How far a lesion reaches.* A shadow or a halo goes with the lesion, whatever the surroundings;
    a confounder lies all over them. So where the class is told less once `REACH` about the lesion
    is painted over too, that belongs to the lesion, and comes along; otherwise nothing does.

    *How much an image counts*, where surroundings say so: as `propensity_weights` has it.

    *How many lesions are transplanted.* A picture that is not transplanted shows its lesion where
    it was found, and where weights do not balance such pictures, the surroundings go on telling the
    class; a transplanted picture is a collage, which costs a little. So the share is
    `Balance.left`: none where class and surroundings are independent, all where surroundings tell
    the class in spite of the weights.

    *How many pictures are restyled.* None, but where classes cannot be told (`RESTYLED`).

    Args:
        settings: which of them are left to this.
        model: a :class:`~deconfound.CausalSegmenter`; its tower embeds the surroundings.
        images: the training images.
        weighting: by words, where images are weighted so.
        progress: called with how many images were read, and of how many; from the start for each
            margin.
    """
    share, margin, restyle = settings.transplant, settings.margin, settings.restyle
    weighs = settings.weighs_by_surroundings
    if share == 0 and margin == "auto" and not weighs:
        margin = 0.0  # of no transplant
    looks = weighs or "auto" in (share, margin)
    if not looks and restyle != "auto":
        return Chosen(float(share), float(margin), float(restyle), weighting)
    rows = range(0, len(images), -(-len(images) // MOST))
    if not can_be_told(_classes(images, rows), _patients(images, rows)):
        return _untold(settings, weighting)
    restyle = 0.0 if restyle == "auto" else restyle
    if not looks:
        return Chosen(float(share), float(margin), restyle, weighting)
    look = partial(_look, model, images, progress)
    seen, notes = look(rows, 0.0 if margin == "auto" else float(margin)), tuple[str, ...]()
    if margin == "auto":
        seen, notes = _as_far_as_lesions_reach(seen, look(rows, REACH))
    if weighs:
        every = range(len(images))
        seen = seen if rows == every else look(every, seen.margin)
        weighting = propensity_weights(
            seen.shown, seen.classes, seen.patients, settings.weight_limit
        )
    if share == "auto":
        some = None if weighting is None else weighting.weights[list(seen.rows)].numpy()
        balance = seen.balance(some)
        share, notes = balance.left, (*notes, _told(balance, some is not None))
    return Chosen(float(share), seen.margin, restyle, weighting, notes)


def _untold(settings: AdjustmentSettings, weighting: WeightReport | None) -> Chosen:
    """Return what is done where no class can be told: of a transplant, what was asked for."""
    share = 0.0 if settings.transplant == "auto" else settings.transplant
    margin = 0.0 if settings.margin == "auto" else settings.margin
    restyle = RESTYLED if settings.restyle == "auto" else settings.restyle
    note = (
        f"surroundings: classes are one, unknown or rare, and cannot be told; {share:.0%} of the "
        f"lesions are transplanted, {restyle:.0%} of the pictures restyled"
    )
    return Chosen(share, margin, restyle, weighting, (note,))


@dataclass(frozen=True, slots=True)
class _Look:
    """Some training images with their lesions painted over, and whose they are."""

    rows: range
    margin: float
    shown: np.ndarray
    classes: np.ndarray
    patients: Sequence[str] | None

    def balance(self, weights: np.ndarray | None = None) -> Balance:
        """Return how far the class is told; somebody has asked whether it can be."""
        return cast(Balance, class_balance(self.shown, self.classes, weights, self.patients))


def _look(
    model: Any,
    images: ImageDataset,
    progress: Watch | None,
    rows: range,
    margin: float,
) -> _Look:
    pooled, classes = embed(
        model, images, progress, change=lambda item, _: _surroundings(item, margin), rows=rows
    )
    return _Look(rows, margin, pooled.numpy(), classes.numpy(), _patients(images, rows))


def _as_far_as_lesions_reach(near: _Look, far: _Look) -> tuple[_Look, tuple[str, ...]]:
    """Return the look that leaves out what belongs to the lesions, and what to know of it."""
    if not told_by_the_margin(near.shown, far.shown, near.classes, near.patients):
        return near, ()
    note = (
        f"margin: what lies within {far.margin:g} diameters of a lesion tells of its class "
        f"({near.balance().told:.0%} of the images with it, {far.balance().told:.0%} without), and "
        f"comes along with it; --margin 0 leaves it behind"
    )
    return far, (note,)


def _told(found: Balance, weighted: bool) -> str:
    said = (
        f"surroundings: with the lesion painted over, its class is told in {found.told:.0%} of "
        f"the images ({found.chance:.0%} by chance)"
    )
    if weighted:
        said += f", and in {found.weighted:.0%} of the weighted ones"
    return f"{said}; {found.left:.0%} of the lesions are transplanted"


def _patients(images: ImageDataset, rows: Sequence[int]) -> list[str] | None:
    who = patients(images)
    return None if who is None else [who[row] for row in rows]


def _classes(images: ImageDataset, rows: Sequence[int]) -> np.ndarray:
    images = as_found(images)
    return np.array([int(images[row]["class_index"]) for row in rows])


def _surroundings(item: dict[str, Any], margin: float) -> Tensor:
    classes = torch.tensor([item["class_index"]])
    one = Pictures(item["image"][None], torch.as_tensor(item["mask"])[None], classes)
    return paint_over(one, margin).image[0]
