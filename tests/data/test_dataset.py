"""Samples as items: the contract, the cache, the augmentation."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from deconfound.data import ClassMask, FolderDataset, JointAugment, LabelMask, Sample
from deconfound.errors import DataError, UnknownNameError
from tests.data.drawing import blob, draw

CLASSES = ("polyp", "cyst")


@pytest.fixture
def samples(pair: Callable[..., tuple[Path, Path]]) -> list[Sample]:
    return [
        Sample(*pair("a"), "north", "p1", "polyp"),
        Sample(*pair("b"), "south", None, None),
        Sample(*pair("c", top=1), "south", None, "cyst"),
    ]


def test_an_item_is_what_everyone_expects(samples: list[Sample]) -> None:
    dataset = FolderDataset(samples, (8, 12), CLASSES, sites=["south", "west", "north"])
    item = dataset[0]
    assert item["image"].shape == (3, 8, 12)
    assert item["image"].dtype == torch.float32
    assert 0 <= item["image"].min() < item["image"].max() <= 1
    assert item["mask"].shape == (8, 12)
    assert item["mask"].dtype == torch.int64
    labels = [(i["class_index"], i["site_index"], i["index"]) for i in dataset]
    assert labels == [(0, 2, 0), (-1, 0, 1), (1, 0, 2)]
    assert dataset[-1]["index"] == 2
    batch = next(iter(DataLoader(dataset, batch_size=3)))
    assert batch["image"].shape == (3, 3, 8, 12)
    assert batch["class_index"].tolist() == [0, -1, 1]


def test_resizing_agrees_with_pillow(samples: list[Sample], tmp_path: Path) -> None:
    smooth = np.indices((64, 96)).sum(0)[..., None].repeat(3, 2).astype(np.uint8)
    sample = Sample(
        draw(tmp_path / "s.png", smooth), draw(tmp_path / "m.png", blob(255, (96, 64))), "n"
    )
    item = FolderDataset([sample], (16, 24), CLASSES)[0]
    expected = Image.fromarray(smooth).resize((24, 16), Image.Resampling.BILINEAR)
    difference = item["image"].permute(1, 2, 0) * 255 - torch.from_numpy(np.array(expected))
    assert difference.abs().max() <= 1
    np.testing.assert_array_equal(item["mask"], blob(1, (24, 16)))


def test_the_cache_changes_nothing_and_reads_once(
    samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = FolderDataset(samples, 8, CLASSES)
    fresh = FolderDataset(samples, 8, CLASSES, cache_bytes=0)
    told: list[tuple[int, int]] = []
    kept.preload(lambda done, total: told.append((done, total)))
    fresh.preload()
    assert told == [(1, 3), (2, 3), (3, 3)]
    for one, two in zip(kept, fresh, strict=True):
        assert torch.equal(one["image"], two["image"])
        assert torch.equal(one["mask"], two["mask"])
    for sample in samples:
        sample.image.unlink()
    assert kept[0]["index"] == 0
    with pytest.raises(DataError, match="found nothing"):
        fresh[0]


def test_binary_and_multiclass_targets(samples: list[Sample], tmp_path: Path) -> None:
    labelled = Sample(
        draw(tmp_path / "d.png"), draw(tmp_path / "e.png", blob(2)), "north", mask_rule=ClassMask(2)
    )
    known = [samples[0], samples[2], labelled]
    binary = FolderDataset(known, (16, 20), CLASSES)
    assert [int(item["mask"].max()) for item in binary] == [1, 1, 1]
    multi = FolderDataset(known, (16, 20), CLASSES, multiclass=True)
    assert [int(item["mask"].max()) for item in multi] == [1, 2, 2]
    assert all(
        torch.equal(a["mask"] > 0, b["mask"] > 0) for a, b in zip(binary, multi, strict=True)
    )
    with pytest.raises(DataError, match=r"b\.png: multi-class training needs the lesion's class"):
        FolderDataset(samples, 8, CLASSES, multiclass=True)


def test_refusals(samples: list[Sample], pair: Callable[..., tuple[Path, Path]]) -> None:
    with pytest.raises(DataError, match="at least one image"):
        FolderDataset([], 8, CLASSES)
    with pytest.raises(
        UnknownNameError, match=r"unknown class of .*a\.png 'polyp'; did you mean poly"
    ):
        FolderDataset(samples, 8, ["poly", "cyst"])
    with pytest.raises(UnknownNameError, match="unknown site 'north'"):
        FolderDataset(samples, 8, CLASSES, sites=["south"])
    labels = Sample(*pair("z", top=4), "north", mask_rule=LabelMask((4,), (0, 1, 2)))
    with pytest.raises(DataError, match=r"z\.png: expected the values 0, 1, 2, found also 4"):
        FolderDataset([labels], 8, CLASSES)[0]


def _augmented(samples: list[Sample], **options: object) -> FolderDataset:
    return FolderDataset(samples, 32, CLASSES, augment=JointAugment(**options))  # type: ignore[arg-type]


def test_augmentation_is_a_function_of_seed_epoch_and_index(samples: list[Sample]) -> None:
    one, two = _augmented(samples, seed=3), _augmented(samples, seed=3)
    other = _augmented(samples, seed=4)
    for epoch in (0, 1):
        one.set_epoch(epoch)
        two.set_epoch(epoch)
        backwards = [two[index] for index in (2, 1, 0)][::-1]
        torch.manual_seed(epoch)
        for item, same in zip(one, backwards, strict=True):
            assert torch.equal(item["image"], same["image"])
            assert torch.equal(item["mask"], same["mask"])
    seen = {dataset[0]["image"].numpy().tobytes() for dataset in (one, other)}
    one.set_epoch(0)
    seen.add(one[0]["image"].numpy().tobytes())
    assert len(seen) == 3


def test_as_found_nothing_is_augmented_and_nothing_read_twice(
    samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, dataset = FolderDataset(samples, 32, CLASSES), _augmented(samples)
    changed = [item["image"] for item in dataset]
    monkeypatch.setattr(FolderDataset, "_read", None)
    found = dataset.as_found()
    monkeypatch.undo()
    for item, other, moved in zip(found, plain, changed, strict=True):
        assert torch.equal(item["image"], other["image"])
        assert torch.equal(item["mask"], other["mask"])
        assert not torch.equal(item["image"], moved)
    assert torch.equal(dataset[0]["image"], changed[0])


def test_augmentation_leaves_the_global_random_state_alone(samples: list[Sample]) -> None:
    dataset = _augmented(samples)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    dataset[0]
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_mask_and_image_move_together() -> None:
    mask = torch.zeros(64, 64, dtype=torch.uint8)
    mask[10:30, 16:50] = 1
    image = (mask * 255).expand(3, 64, 64).contiguous()
    augment = JointAugment(jitter=0.0)
    moved = 0
    for index in range(20):
        picture, lesion = augment(image, mask, 0, index)
        assert type(picture) is type(lesion) is torch.Tensor
        assert set(lesion.unique().tolist()) <= {0, 1}
        disagree = (picture[0] > 127) != lesion.bool()
        assert disagree.float().mean() < 0.03  # the border, where one is smooth and one is not
        moved += not torch.equal(lesion, mask)
    assert moved >= 18


def test_workers_that_outlive_an_epoch_see_the_next_one(samples: list[Sample]) -> None:
    dataset = _augmented(samples)
    loader = DataLoader(dataset, num_workers=1, persistent_workers=True)
    first = [batch["image"] for batch in loader]
    dataset.set_epoch(1)
    second = [batch["image"] for batch in loader]
    here = [dataset[index]["image"][None] for index in range(3)]
    assert all(torch.equal(a, b) for a, b in zip(second, here, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))
