"""Frames as points: the regions over a lesion, before and after the intervention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset

from deconfound import CausalSegmenter
from deconfound.errors import DataError
from deconfound.evenly import evenly
from deconfound.types import Explanation

from ...cohort import Cohort

POINTS = 300
"""Frames of a t-SNE, evenly from training sites' validation patients and the held-out site."""

FEWEST = 10
"""Frames with a lesion below which a t-SNE shows nothing."""

UNCHANGED = "no intervention"
"""Stands over the one picture of a method that leaves every region as it is."""


@dataclass(frozen=True)
class Points:
    """Frames as points.

    Attributes:
        features: (n, d), by when they were taken.
        labels: n, by their kind.
        unseen: (n,), whether the frame is of the held-out site.
    """

    features: dict[str, np.ndarray]
    labels: dict[str, list[str]]
    unseen: np.ndarray


def with_lesion(cohort: Cohort) -> list[int]:
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
def points_of(model: CausalSegmenter, cohort: Cohort, rows: Sequence[int]) -> Points:
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
    return Points(taken, {"lesion": classes, "site": sites}, unseen)


def _evenly(seen: int, unseen: int) -> list[int]:
    """Return positions in two sets joined, as many of each, evenly spread."""
    each = min(POINTS // 2, seen, unseen)
    return [*evenly(seen, each), *(seen + i for i in evenly(unseen, each))]


def _lesion_shares(traced: Explanation, mask: Tensor) -> Tensor:
    """Return how much the lesion covers of each region, (1, N), 0 to 1; mask (H, W)."""
    lesion = (mask > 0).float()[None, None]
    height, width = traced.scores.shape[1:]
    share = torch.nn.functional.adaptive_avg_pool2d(lesion, (height, width))
    return share.flatten(1).gather(1, traced.regions.index)


def _mean(features: Tensor, weights: Tensor) -> Tensor:
    """Return the mean (1, d) of regions (1, N, d), by weights (1, N)."""
    return (features * weights[..., None]).sum(1) / weights.sum()
