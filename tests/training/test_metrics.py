"""Scores against torchmetrics where its policy agrees, and our own policy where it does not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.segmentation import dice_score, mean_iou

from deconfound.errors import DataError, ShapeError
from deconfound.overlap import BOTH_EMPTY, predicted_mask
from deconfound.training.comparison import paired_difference
from deconfound.training.metrics import MethodResult, SegmentationMetrics

seeds = st.integers(0, 2**31)


def scene(seed: int, classes: int = 1, images: int = 4, size: int = 8) -> tuple[torch.Tensor, ...]:
    source = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, classes, size, size, generator=source)
    mask = torch.randint(0, max(2, classes), (images, size, size), generator=source)
    return logits, mask, torch.arange(images) % 2, torch.arange(images) % 3


def score(classes: int, *batch: torch.Tensor) -> MethodResult:
    metrics = SegmentationMetrics(classes, ("polyp", "tumor"), ("a", "b", "c"))
    metrics.update(*batch)
    return metrics.result("m")


def test_the_largest_of_several_channels_is_predicted() -> None:
    logits = torch.tensor([[-1.0, 2.0]])[:, :, None, None]
    assert predicted_mask(logits).item() == 1
    assert predicted_mask(logits[:, :1]).item() == 0


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_binary_scores_equal_torchmetrics(seed: int) -> None:
    logits, mask, kind, site = scene(seed)
    result = score(1, logits, mask, kind, site)
    predicted = predicted_mask(logits)
    pair = (predicted[:, None], mask[:, None])
    oracle = dice_score(*pair, num_classes=1, average="macro", input_format="one-hot")
    np.testing.assert_allclose(result.dice, oracle.numpy().ravel(), atol=1e-6)
    oracle = mean_iou(*pair, num_classes=1, input_format="one-hot")
    assert result.overall.mean.iou == pytest.approx(oracle.mean().item(), abs=1e-6)
    assert result.overall.mean.acc == pytest.approx((predicted == mask).double().mean().item())


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_multiclass_scores_equal_torchmetrics_where_all_classes_are_there(seed: int) -> None:
    logits, mask, kind, site = scene(seed, classes=4, size=16)
    result = score(4, logits, mask, kind, site)
    predicted = predicted_mask(logits)
    options = {"num_classes": 4, "include_background": False, "input_format": "index"}
    oracle = dice_score(predicted, mask, average="macro", **options)
    np.testing.assert_allclose(result.dice, oracle.numpy(), atol=1e-6)
    oracle = mean_iou(predicted, mask, **options)
    assert result.overall.mean.iou == pytest.approx(oracle.mean().item(), abs=1e-6)
    assert result.overall.mean.acc == pytest.approx((predicted == mask).double().mean().item())


@given(seeds, st.sampled_from([1, 4]))
@settings(max_examples=25, deadline=None)
def test_pooled_scores_count_all_pixels_together(seed: int, classes: int) -> None:
    logits, mask, kind, site = scene(seed, classes)
    result = score(classes, logits, mask, kind, site)
    predicted = predicted_mask(logits)
    dice = []
    for value in range(1, max(2, classes)):
        p, t = predicted == value, mask == value
        dice.append(2 * (p & t).sum().item() / (p.sum() + t.sum()).item())
    assert result.overall.pooled.dice == pytest.approx(np.mean(dice))


@given(seeds, st.sampled_from([1, 4]), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_batches_equal_images_one_by_one_in_any_order(seed: int, classes: int, step: int) -> None:
    logits, mask, kind, site = scene(seed, classes, images=6)
    whole = score(classes, logits, mask, kind, site)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    metrics = SegmentationMetrics(classes, ("polyp", "tumor"), ("a", "b", "c"))
    for pick in order.split(step):
        metrics.update(logits[pick], mask[pick], kind[pick], site[pick], pick)
    again = metrics.result("m")
    assert again.rows == whole.rows
    np.testing.assert_array_equal(again.dice, whole.dice)


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_merging_padded_shards_equals_the_whole(seed: int) -> None:
    logits, mask, kind, site = scene(seed, images=5)
    whole = SegmentationMetrics(1, ("polyp", "tumor"))
    whole.update(logits, mask, kind, site)
    counts = whole.counts
    padding = torch.full((2, counts.shape[1]), -1)
    parts = SegmentationMetrics(1, ("polyp", "tumor"))
    parts.merge(torch.cat([counts[1::2], padding, counts[0::2]]))
    assert parts.result("m").rows == whole.result("m").rows


def test_groups_are_means_over_their_images() -> None:
    logits, mask, kind, site = scene(1, images=6)
    result = score(1, logits, mask, kind, site)
    tumors = result.row("class", "tumor")
    assert tumors is not None
    assert tumors.images == 3
    assert tumors.mean.dice == pytest.approx(result.dice[1::2].mean())
    assert [row.name for row in result.rows] == ["overall", "polyp", "tumor", "a", "b", "c"]


def test_images_of_no_known_class_count_overall_only() -> None:
    logits, mask, _, site = scene(1)
    result = score(1, logits, mask, torch.full((4,), -1), site)
    assert result.overall.images == 4
    assert result.row("class", "polyp") is None


def test_empty_mask_policy() -> None:
    clean, something = torch.full((1, 1, 4, 4), -1.0), torch.full((1, 1, 4, 4), -1.0)
    something[0, 0, 0, 0] = 1.0
    empty, zero = torch.zeros(1, 4, 4, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    both = score(1, clean, empty, zero, zero).overall
    assert (both.mean.dice, both.mean.iou, both.mean.acc) == (BOTH_EMPTY, BOTH_EMPTY, 1.0)
    false_alarm = score(1, something, empty, zero, zero).overall
    assert (false_alarm.mean.dice, false_alarm.mean.iou) == (0.0, 0.0)
    assert false_alarm.mean.acc == 15 / 16
    missed = score(1, clean, 1 - empty, zero, zero).overall
    assert missed.mean.dice == 0.0


def test_absent_classes_do_not_lift_an_image() -> None:
    mask = torch.zeros(1, 4, 4, dtype=torch.long)
    mask[0, :2] = 1
    logits = torch.zeros(1, 6, 4, 4)
    logits[:, 0] = 1  # all background: the lesion is missed, four other classes are rightly absent
    zero = torch.zeros(1, dtype=torch.long)
    assert score(6, logits, mask, zero, zero).overall.mean.dice == 0.0


def test_wrong_shapes_are_refused() -> None:
    logits, mask, kind, site = scene(0)
    expected = r"logits of shape \(4, 3, 8, 8\) for a mask of shape \(4, 8, 8\), got \(4, 1, 8, 8\)"
    with pytest.raises(ShapeError, match=expected):
        SegmentationMetrics(3).update(logits, mask, kind, site)


def test_results_survive_json() -> None:
    result = score(1, *scene(3))
    again = MethodResult.from_json(json.loads(json.dumps(result.to_json(), allow_nan=False)))
    assert again.rows == result.rows
    np.testing.assert_array_equal(again.dice, result.dice)
    np.testing.assert_array_equal(again.index, result.index)


def of_dice(method: str, dice: np.ndarray, start: int = 0) -> MethodResult:
    row = score(1, *scene(0)).overall
    return MethodResult(method, (row,), np.arange(start, start + len(dice)), dice)


def test_paired_difference_covers_the_truth_and_knows_its_sign() -> None:
    source = np.random.default_rng(0)
    base = source.uniform(0.3, 0.9, 200)
    better = base + source.normal(0.05, 0.05, 200)
    found = paired_difference(of_dice("a", base), of_dice("b", better))
    assert found is not None
    assert found.low < 0.05 < found.high
    assert found.settled
    back = paired_difference(of_dice("b", better), of_dice("a", base))
    assert back is not None
    assert back.mean == pytest.approx(-found.mean)


def test_bootstrap_interval_agrees_with_the_normal_one() -> None:
    source = np.random.default_rng(1)
    difference = source.normal(0, 0.1, 400)
    zero = np.zeros(400)
    found = paired_difference(of_dice("a", zero), of_dice("b", difference), draws=4000)
    assert found is not None
    half = 1.96 * difference.std(ddof=1) / 20
    assert found.high - found.mean == pytest.approx(half, rel=0.1)


def test_a_paired_difference_leaves_no_image_out() -> None:
    one = of_dice("a", np.zeros(5))
    with pytest.raises(DataError, match="a and b: expected scores of the same images, found 6"):
        paired_difference(one, of_dice("b", np.ones(5), start=3))
    with pytest.raises(DataError, match="found 1 that one of them lacks"):
        paired_difference(one, of_dice("b", np.ones(4)))


def test_a_paired_difference_needs_no_order_and_two_images() -> None:
    one, other = of_dice("a", np.zeros(3)), of_dice("b", np.array([0.1, 0.2, 0.6]))
    turned = replace(other, index=other.index[::-1], dice=other.dice[::-1])
    assert paired_difference(one, turned) == paired_difference(one, other)
    assert paired_difference(of_dice("a", np.zeros(1)), of_dice("b", np.ones(1))) is None
