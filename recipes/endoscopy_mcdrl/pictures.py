"""The pictures of a report: what was made of the held-out site, and what was trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from deconfound import CausalSegmenter
from deconfound.evenly import evenly
from deconfound.overlap import predicted_mask
from deconfound.packs import PromptPack
from deconfound.training import MethodResult
from deconfound.training.adjusting import adjustment_by
from deconfound.training.reading import as_found
from deconfound.training.report import Adjusted, Example, Weighed
from deconfound.training.what_was_read import WhatWasRead
from deconfound.types import Explanation

from .cohort import Cohort
from .config import RecipeConfig
from .methods import title_of

SHOWN = 6
"""Images of either kind."""

ALIKE = 0.1
"""Difference of the largest weight and the smallest below which all images count alike."""

SOUGHT = 200
"""How many images are looked through for one of each class."""

DRAWN_FROM = 24
"""Images that are adjusted together: donors are among them, as among those of a batch."""


def gallery(
    models: Sequence[CausalSegmenter],
    config: RecipeConfig,
    cohort: Cohort,
    pack: PromptPack,
    results: Sequence[MethodResult],
) -> tuple[Example, ...]:
    """Show what every method made of some images of the held-out site, worst to best Dice.

    Args:
        models: trained, in the order of the settings' methods.
        config: settings of the run.
        cohort: the images.
        pack: names classes.
        results: scores, in the same order; examples are ordered by the last method's.
    """
    rows = results[-1].index[worst_to_best(results[-1].dice, SHOWN)].tolist()
    batch = default_collate([cohort.target[row] for row in rows])
    explained = [_explain(model, batch["image"]) for model in models]
    last = explained[-1]
    kept = torch.zeros_like(last.scores, dtype=torch.bool).flatten(1)
    kept = kept.scatter(1, last.regions.index, True).view_as(last.scores)
    dice = {r.method: dict(zip(r.index.tolist(), r.dice.tolist(), strict=True)) for r in results}
    return tuple(
        Example(
            title=f"{_class_of(int(batch['class_index'][i]), pack)}, {cohort.holdout}, image {row}",
            image=batch["image"][i].numpy(),
            truth=batch["mask"][i].numpy(),
            predictions={
                title_of(m, config): predicted_mask(said.logits[i : i + 1])[0].numpy()
                for m, said in zip(config.methods, explained, strict=True)
            },
            dice={method: found[row] for method, found in dice.items()},
            scores=last.scores[i].numpy(),
            kept=kept[i].numpy(),
            weights=last.intervened.weights[i].mean(dim=0).numpy(),
        )
        for i, row in enumerate(rows)
    )


def trained_with(
    told: WhatWasRead, config: RecipeConfig, cohort: Cohort, pack: PromptPack
) -> tuple[Adjusted, ...]:
    """Adjust some training images as the training of a method did, and take the first few changed.

    They are spread evenly over the training set, so that none is picked by hand.

    Args:
        told: what the adjustment goes by.
        config: settings of the run.
        cohort: the images.
        pack: says which confounders can be drawn, and names classes.
    """
    images = as_found(cohort.train)
    rows = list(range(0, len(images), max(1, len(images) // DRAWN_FROM)))[:DRAWN_FROM]
    found = default_collate([images[row] for row in rows])
    made = adjustment_by(told, pack).apply(found, rows, config.seed)
    changed = (made["image"] != found["image"]).flatten(1).any(dim=1)
    return tuple(
        Adjusted(
            title=_class_and_site({key: each[i] for key, each in found.items()}, cohort, pack),
            image=found["image"][i].numpy(),
            truth=found["mask"][i].numpy(),
            made_image=made["image"][i].numpy(),
            made_truth=made["mask"][i].numpy(),
        )
        for i in torch.nonzero(changed)[:SHOWN, 0].tolist()
    )


def counted(
    told: WhatWasRead, cohort: Cohort, pack: PromptPack
) -> tuple[tuple[Weighed, Weighed], ...]:
    """Take of each class the training image that counts most, and the one that counts least.

    Args:
        told: what the adjustment goes by.
        cohort: the images.
        pack: names classes.

    Returns:
        A pair for each class; none where all images count alike.
    """
    weights = np.array(told.weights or ())
    if not len(weights) or np.ptp(weights) < ALIKE:
        return ()
    order = np.argsort(-weights, kind="stable").tolist()
    most, least = (
        _first_of_each_class(rows, weights, cohort, pack) for rows in (order, order[::-1])
    )
    return tuple((most[k], least[k]) for k in sorted(most.keys() & least.keys()))


def _first_of_each_class(
    rows: Sequence[int], weights: np.ndarray, cohort: Cohort, pack: PromptPack
) -> dict[int, Weighed]:
    """Return the first image of each class that is met, by class; those far down are not sought."""
    images, met = as_found(cohort.train), dict[int, Weighed]()
    for row in rows[:SOUGHT]:
        item = images[row]
        k = int(item["class_index"])
        if k >= 0 and k not in met:
            title, truth = _class_and_site(item, cohort, pack), np.asarray(item["mask"])
            met[k] = Weighed(title, item["image"].numpy(), truth, float(weights[row]))
        if len(met) == len(pack.class_names):
            break
    return met


@torch.no_grad()
def _explain(model: CausalSegmenter, images: torch.Tensor) -> Explanation:
    return model.explain(model.normalize(images))


def worst_to_best(dice: np.ndarray, count: int) -> np.ndarray:
    """Return positions of at most ``count`` Dice, (n,), in even steps: none is picked by hand."""
    order = np.argsort(dice, kind="stable")
    return order[evenly(len(order), count)]


def _class_and_site(item: Mapping[str, Any], cohort: Cohort, pack: PromptPack) -> str:
    site = cohort.sites[int(item["site_index"])]
    return f"{_class_of(int(item['class_index']), pack)}, {site}"


def _class_of(index: int, pack: PromptPack) -> str:
    return pack.class_names[index].capitalize() if index >= 0 else "Lesion"
