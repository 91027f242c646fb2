"""A row for every image, equal to what an evaluation says of it."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import ConcatDataset, Subset

from deconfound.errors import DataError
from deconfound.study.images import score_images
from deconfound.study.surface import surface_scores
from deconfound.training.evaluation import evaluate
from tests.study.painted import Reader, cpu, painted, scene


@pytest.mark.parametrize("classes", [1, 4])
def test_rows_equal_what_evaluate_says(classes: int) -> None:
    model, dataset = Reader(classes), painted(*scene(0, images=9, classes=max(1, classes - 1)))
    rows = score_images(model, dataset, cpu(), batch_size=4)
    result = evaluate(model, dataset, cpu(), class_names=("a", "b"), site_names=("x", "y", "z"))
    assert rows["index"].tolist() == result.index.tolist() == list(range(9))
    np.testing.assert_array_equal(rows["dice"], result.dice)
    said = {(row.kind, row.name): row for row in result.rows}
    chosen = {("class", name): rows[rows["class_index"] == k] for k, name in enumerate("ab")}
    chosen |= {("site", name): rows[rows["site_index"] == s] for s, name in enumerate("xyz")}
    for key, own in {**chosen, ("overall", "overall"): rows}.items():
        assert said[key].images == len(own)
        for metric in ("dice", "iou", "acc"):
            assert own[metric].mean() == pytest.approx(getattr(said[key].mean, metric))
    for row in range(9):
        alone = evaluate(model, Subset(dataset, [row]), cpu()).overall.mean
        assert (rows["dice"][row], rows["iou"][row], rows["acc"][row]) == pytest.approx(
            (alone.dice, alone.iou, alone.acc)
        )


def test_counts_are_those_of_the_pixels() -> None:
    predicted, mask = scene(1)
    rows = score_images(Reader(), painted(predicted, mask), cpu())
    found, there = predicted > 0, mask > 0
    expected = [found & there, found & ~there, ~found & there, ~found & ~there]
    for column, pixels in zip(("tp", "fp", "fn", "tn"), expected, strict=True):
        assert rows[column].tolist() == pixels.flatten(1).sum(dim=1).tolist()
    pooled = evaluate(Reader(), painted(predicted, mask), cpu()).overall.pooled
    tp, fp, fn = rows[["tp", "fp", "fn"]].sum()
    assert 2 * tp / (2 * tp + fp + fn) == pytest.approx(pooled.dice)


def test_lesion_classes_are_summed() -> None:
    predicted, mask = scene(2, classes=3)
    rows = score_images(Reader(4), painted(predicted, mask), cpu())
    right = (predicted == mask) & (mask > 0)
    assert rows["tp"].tolist() == right.flatten(1).sum(dim=1).tolist()
    assert (rows["tp"] + rows["fn"]).tolist() == (mask > 0).flatten(1).sum(dim=1).tolist()
    assert (rows["tp"] + rows["fp"]).tolist() == (predicted > 0).flatten(1).sum(dim=1).tolist()


def test_distances_are_those_of_the_maps() -> None:
    predicted, mask = scene(3)
    for tolerance in (0.0, 2.0):
        rows = score_images(Reader(), painted(predicted, mask), cpu(), tolerance=tolerance)
        hd95, nsd = surface_scores(predicted, mask, tolerance)
        assert rows["hd95"].tolist() == hd95.tolist()
        assert rows["nsd"].tolist() == nsd.tolist()


@pytest.mark.parametrize("batch_size", [1, 2, 5, 16])
def test_the_batch_size_changes_nothing(batch_size: int) -> None:
    dataset = painted(*scene(4))
    whole = score_images(Reader(), dataset, cpu(), batch_size=7)
    pd.testing.assert_frame_equal(
        score_images(Reader(), dataset, cpu(), batch_size=batch_size), whole
    )


def test_the_order_changes_the_order_alone() -> None:
    dataset, order = painted(*scene(5)), [3, 0, 6, 1, 5, 2, 4]
    rows = score_images(Reader(), dataset, cpu(), batch_size=2)
    shuffled = score_images(Reader(), Subset(dataset, order), cpu(), batch_size=3)
    expected = rows.iloc[order].reset_index(drop=True).assign(index=range(7))
    pd.testing.assert_frame_equal(shuffled, expected)


def test_joined_datasets_have_a_row_for_every_image() -> None:
    joined = ConcatDataset([painted(*scene(6, images=4)), painted(*scene(7, images=3))])
    rows = score_images(Reader(), joined, cpu(), batch_size=3)
    assert rows["index"].tolist() == list(range(7))


@pytest.mark.parametrize("classes", [1, 3])
def test_a_model_that_predicts_nothing_has_a_row_for_every_frame(classes: int) -> None:
    mask = torch.zeros(4, 6, 8, dtype=torch.long)
    mask[1:, 2:4, 2:4] = 1
    rows = score_images(Reader(classes), painted(torch.zeros_like(mask), mask), cpu())
    assert rows["index"].tolist() == [0, 1, 2, 3]
    assert rows["dice"].tolist() == rows["iou"].tolist() == rows["nsd"].tolist() == [1, 0, 0, 0]
    assert rows["hd95"].tolist() == [0, 10, 10, 10]
    assert rows["fn"].tolist() == [0, 4, 4, 4]


def test_the_mode_is_restored_even_after_an_error() -> None:
    model = Reader().train()
    dataset = painted(*scene(8))
    score_images(model, dataset, cpu())
    assert model.training
    model.forward = lambda images: 1 / 0  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        score_images(model, dataset, cpu())
    assert model.training


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="0 images"):
        score_images(Reader(), Subset(painted(*scene(9)), []), cpu())


class OneOfThree:
    """Stands for Fabric in one of three processes, of which the last may have no images."""

    world_size, device = 3, torch.device("cpu")
    autocast = staticmethod(contextlib.nullcontext)

    def __init__(self, rank: int) -> None:
        self.global_rank = rank

    def to_device(self, obj: Any) -> Any:
        return obj


@pytest.mark.parametrize("images", [2, 7])
def test_three_processes_are_one(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = painted(*scene(10, images=images))
    shares: dict[torch.dtype, list[torch.Tensor]] = {torch.int64: [], torch.float64: []}

    def all_gather(parts: list[torch.Tensor], tensor: torch.Tensor) -> None:
        shares[tensor.dtype].append(tensor)
        for part in parts:
            part.fill_(-1)
        for part, share in zip(parts, shares[tensor.dtype], strict=False):
            part.copy_(share)

    monkeypatch.setattr(torch.distributed, "all_gather", all_gather)
    for rank in range(3):
        rows = score_images(Reader(), dataset, OneOfThree(rank), batch_size=2)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(rows, score_images(Reader(), dataset, cpu()))
