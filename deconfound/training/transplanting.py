"""How many lesions are transplanted: as many as their surroundings still tell of the class."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deconfound.data.patients import patients
from deconfound.diagnostics.balance import class_balance
from deconfound.estimators.doing import Pictures
from deconfound.estimators.doing.paint_over import paint_over
from deconfound.training.loading import ImageDataset
from deconfound.training.reading import Watch, embed

MOST = 5000
"""Images that are looked at, in even steps: more cost minutes, and say the same."""

UNTOLD = 0.5
"""Share where nothing can be told: lesions of one class, or of unknown ones, or too few of them."""


def transplanted_share(
    model: Any,
    images: ImageDataset,
    weights: Tensor | None,
    margin: float,
    progress: Watch | None = None,
) -> tuple[float, tuple[str, ...]]:
    """Look how far the class can be told from surroundings among weighted images.

    A picture that is not transplanted shows its lesion where it was found, and where weights do not
    balance such pictures, the surroundings go on telling the class; a transplanted picture is a
    collage, which costs a little. So the share is `Balance.left`: none where class and
    surroundings are independent, all where surroundings tell the class in spite of the weights.

    Args:
        model: a :class:`~deconfound.CausalSegmenter`; its tower embeds the surroundings.
        images: the training images.
        weights: (n,), as they are trained with; None for none.
        margin: of the transplants; what comes along with a lesion is no surroundings.
        progress: called with how many images were read, and of how many.

    Returns:
        The share, and what a reader of the run should know.
    """
    rows = range(0, len(images), -(-len(images) // MOST))
    pooled, classes = embed(
        model, images, progress, change=lambda item, _: _surroundings(item, margin), rows=rows
    )
    who = patients(images)
    found = class_balance(
        pooled.numpy(),
        classes.numpy(),
        None if weights is None else weights[list(rows)].numpy(),
        None if who is None else [who[row] for row in rows],
    )
    if found is None:
        told = "surroundings: classes are one, unknown or rare, and cannot be told"
        return UNTOLD, (f"{told}; {UNTOLD:.0%} of the lesions are transplanted",)
    told = (
        f"surroundings: with the lesion painted over, its class is told in {found.told:.0%} of the "
        f"images ({found.chance:.0%} by chance)"
    )
    if weights is not None:
        told += f", and in {found.weighted:.0%} of the weighted ones"
    return found.left, (f"{told}; {found.left:.0%} of the lesions are transplanted",)


def _surroundings(item: dict[str, Any], margin: float) -> Tensor:
    classes = torch.tensor([item["class_index"]])
    one = Pictures(item["image"][None], torch.as_tensor(item["mask"])[None], classes)
    return paint_over(one, margin).image[0]
