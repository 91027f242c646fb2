"""How many lesions are transplanted follows from what their surroundings tell of the class."""

from __future__ import annotations

import pytest
import torch

from deconfound import CausalSegmenter
from deconfound.data.memory import MemoryDataset
from deconfound.estimators.doing import Transplant
from deconfound.training import transplanting
from deconfound.training.adjusting import build_adjustment
from deconfound.training.adjustment import AdjustmentSettings
from deconfound.training.transplanting import UNTOLD, transplanted_share

AUTO = AdjustmentSettings(weighting="none")


@pytest.fixture(scope="module")
def model() -> CausalSegmenter:
    return CausalSegmenter("FPN", vlm="mini", selector="all", intervention="identity")


def pictures(confounded: bool, count: int = 60) -> MemoryDataset:
    """Dark and bright surroundings, of one class each or of both; the lesion itself is alike."""
    g = torch.Generator().manual_seed(0)
    classes = torch.arange(count) % 2
    shade = classes if confounded else torch.randint(0, 2, (count,), generator=g)
    light = (60 + 120 * shade)[:, None, None, None].float()
    images = light + 10 * torch.randn(count, 3, 64, 64, generator=g)
    images[:, :, 8:24, 8:24] = 200.0
    masks = torch.zeros(count, 64, 64, dtype=torch.uint8)
    masks[:, 8:24, 8:24] = 1
    where = torch.zeros(count).long()
    return MemoryDataset(images.clamp(0, 255).to(torch.uint8), masks, classes, where)


def test_all_are_transplanted_where_surroundings_tell_the_class(model) -> None:
    share, notes = transplanted_share(model, pictures(confounded=True), None, 0.0)
    assert share == 1
    assert "its class is told in 100% of the images (50% by chance)" in notes[0]
    assert "100% of the lesions are transplanted" in notes[0]


def test_few_are_where_they_do_not(model) -> None:
    share, _ = transplanted_share(model, pictures(confounded=False), None, 0.0)
    assert share < 0.35


def test_weights_that_undo_it_are_counted(model) -> None:
    images = pictures(confounded=True)
    images.class_index[:6] = 1 - images.class_index[:6]
    rare = torch.ones(len(images)).index_fill(0, torch.arange(6), 9.0)
    without, _ = transplanted_share(model, images, None, 0.0)
    with_them, notes = transplanted_share(model, images, rare, 0.0)
    assert with_them < without
    assert "of the weighted ones" in notes[0]


def test_what_comes_along_with_a_lesion_is_no_surroundings(model) -> None:
    """A halo tells the class in every picture; as far as it is carried, nothing has to be done."""
    images = pictures(confounded=False)
    halo = images.images[:, :, 4:28, 4:28]
    halo[:, :, 4:20, 4:20] = 200
    for image, k in zip(halo, images.class_index, strict=True):
        ring = torch.ones(24, 24, dtype=torch.bool)
        ring[4:20, 4:20] = False
        image[:, ring] = 250 * k.to(torch.uint8)
    alone, _ = transplanted_share(model, images, None, 0.0)
    carried, _ = transplanted_share(model, images, None, 0.5)
    assert alone > 0.8
    assert carried < 0.35


def test_half_are_where_nothing_can_be_told(model) -> None:
    images = pictures(confounded=True)
    images.class_index.fill_(0)
    share, notes = transplanted_share(model, images, None, 0.0)
    assert share == UNTOLD
    assert "cannot be told; 50% of the lesions" in notes[0]


def test_of_many_images_some_are_looked_at(model, monkeypatch) -> None:
    monkeypatch.setattr(transplanting, "MOST", 25)
    images, seen = pictures(confounded=True), []
    share, _ = transplanted_share(
        model, images, torch.ones(len(images)), 0.0, lambda done, of: seen.append((done, of))
    )
    assert seen[-1] == (20, 20)  # every third of 60
    assert share == 1


def test_auto_is_what_training_does(model) -> None:
    built = build_adjustment(AUTO, model, pictures(confounded=True), model.pack)
    [step] = built.doing
    assert isinstance(step, Transplant)
    assert step.probability == 1
    assert any(note.startswith("surroundings: ") for note in built.notes)
    fixed = build_adjustment(
        AUTO.model_copy(update={"transplant": 0.3}), None, pictures(True), model.pack
    )
    assert fixed.doing[0].probability == 0.3
    assert fixed.notes == ()
