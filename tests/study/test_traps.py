"""Three mistakes that other evaluations make: each would change these numbers, so none is made.

Every test first shows that the mistaken figure is another one on the same predictions.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import Subset

from deconfound.study.images import score_images
from deconfound.study.statistics import paired_bootstrap, summarise
from deconfound.training.evaluation import evaluate
from tests.study.painted import Reader, cpu, painted, scene
from tests.study.rows import table, two_methods


def two_frames() -> tuple[torch.Tensor, torch.Tensor]:
    """A large lesion found whole, and a small one missed for another place."""
    predicted, mask = torch.zeros(2, 2, 8, 8, dtype=torch.long)
    mask[0, :4], predicted[0, :4] = 1, 1
    mask[1, 7, 7], predicted[1, 7, 0] = 1, 1
    return predicted, mask


def dice(predicted: torch.Tensor, mask: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    both = (predicted * mask).sum(axes)
    return 2 * both / (predicted.sum(axes) + mask.sum(axes))


@pytest.mark.parametrize("batch_size", [1, 2])
def test_dice_is_taken_over_the_pixels_of_an_image_and_not_over_the_batch(batch_size: int) -> None:
    predicted, mask = two_frames()
    along_batch = dice(predicted, mask, (0,)).nanmean().item()
    of_all_pixels = dice(predicted, mask, (0, 1, 2)).item()
    assert along_batch == pytest.approx(32 / 34)  # of the pixels that are lesion anywhere
    assert of_all_pixels == pytest.approx(64 / 66)  # pooled, a figure of its own
    rows = score_images(Reader(), painted(predicted, mask), cpu(), batch_size=batch_size)
    assert rows["dice"].tolist() == dice(predicted, mask, (1, 2)).tolist() == [1.0, 0.0]
    said = evaluate(Reader(), painted(predicted, mask), cpu(), batch_size=batch_size)
    assert said.dice.tolist() == [1.0, 0.0]
    assert said.overall.mean.dice == 0.5


def test_frames_on_which_nothing_was_predicted_count() -> None:
    predicted, mask = two_frames()
    predicted[1] = 0
    rows = score_images(Reader(), painted(predicted, mask), cpu())
    found = predicted.flatten(1).any(dim=1).numpy()
    assert rows[found]["dice"].mean() == 1.0  # what dropping them would say
    assert rows["dice"].mean() == 0.5
    assert rows["hd95"].tolist() == [0.0, math.hypot(8, 8)]
    assert rows["nsd"].tolist() == [1.0, 0.0]
    assert evaluate(Reader(), painted(predicted, mask), cpu()).overall.mean.dice == 0.5
    study = table({**row, "image": str(n)} for n, row in enumerate(_scores(rows)))
    assert summarise(study, ["method"])["mean"].item() == 0.5
    assert summarise(study, ["method"], "hd95")["mean"].item() == math.hypot(8, 8) / 2


def test_a_clean_frame_is_neither_dropped_nor_forgiven() -> None:
    predicted, mask = two_frames()
    mask[1], predicted[1, 0, 0] = 0, 1  # a false alarm on a frame without lesion
    rows = score_images(Reader(), painted(predicted, mask), cpu())
    assert rows["dice"].tolist() == [1.0, 0.0]
    assert rows["hd95"].tolist() == [0.0, math.hypot(8, 8)]


def test_another_order_of_frames_gives_the_same_numbers() -> None:
    dataset, order = painted(*scene(0, images=9)), [4, 8, 0, 3, 7, 1, 6, 2, 5]
    rows = score_images(Reader(), dataset, cpu(), batch_size=4)
    shuffled = score_images(Reader(), Subset(dataset, order), cpu(), batch_size=4)
    one = table({**row, "image": str(n)} for n, row in enumerate(_scores(rows)))
    other = table({**row, "image": str(order[n])} for n, row in enumerate(_scores(shuffled)))
    for metric in ("dice", "iou", "acc", "hd95", "nsd"):
        pd.testing.assert_frame_equal(
            summarise(one, ["method"], metric),
            summarise(other, ["method"], metric),
            check_exact=True,
        )


def test_methods_are_paired_by_image_and_not_by_row() -> None:
    draw = np.random.default_rng(0)
    rows = two_methods(draw.normal(0.02, 0.01, size=30), [f"p{n % 9}" for n in range(30)])
    rows["dice"] += np.tile(draw.normal(0, 0.2, size=30), 2)  # frames differ more than methods do
    expected = paired_bootstrap(rows, "baseline", "ours")
    shuffled = rows.sample(frac=1, random_state=1)
    dice = {method: part["dice"].to_numpy() for method, part in shuffled.groupby("method")}
    by_row = dice["ours"] - dice["baseline"]
    assert by_row.std() > 5 * (expected.high - expected.low)
    assert paired_bootstrap(shuffled, "baseline", "ours") == expected
    pd.testing.assert_frame_equal(
        summarise(shuffled, ["method"]), summarise(rows, ["method"]), check_exact=True
    )


def _scores(rows: pd.DataFrame) -> list[dict]:
    return rows.drop(columns=["index", "class_index", "site_index"]).to_dict("records")
