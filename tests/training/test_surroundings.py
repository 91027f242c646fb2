"""What is done to the pictures follows from what surroundings tell of a lesion's class."""

from __future__ import annotations

import pytest
import torch

from deconfound import CausalSegmenter
from deconfound.data.memory import MemoryDataset
from deconfound.estimators.doing import Restyle, Transplant
from deconfound.estimators.weighting import WeightReport, effective_sample_size
from deconfound.training import surroundings
from deconfound.training.adjusting import build_adjustment
from deconfound.training.adjustment import AdjustmentSettings
from deconfound.training.surroundings import REACH, RESTYLED, Chosen, choose

SHARE = AdjustmentSettings(weighting="none", margin=0, restyle=0)
"""The share alone is left to what surroundings say."""


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


def with_halos(images: MemoryDataset) -> MemoryDataset:
    """Put a bright ring about every lesion of the second class, and a dark one about the others."""
    ring = torch.ones(24, 24, dtype=torch.bool)
    ring[4:20, 4:20] = False
    for image, k in zip(images.images, images.class_index, strict=True):
        image[:, 4:28, 4:28][:, ring] = 250 * k.to(torch.uint8)
    return images


def chosen(model, images: MemoryDataset, weighting=None, **settings) -> Chosen:
    return choose(SHARE.model_copy(update=settings), model, images, weighting)


def weighing(weights: torch.Tensor) -> WeightReport:
    return WeightReport(weights, effective_sample_size(weights), weights.max().item(), 0.0, 0.0)


def test_all_are_transplanted_where_surroundings_tell_the_class(model) -> None:
    found = chosen(model, pictures(confounded=True))
    assert found.transplant == 1
    assert "its class is told in 100% of the images (50% by chance)" in found.notes[0]
    assert "100% of the lesions are transplanted" in found.notes[0]


def test_few_are_where_they_do_not(model) -> None:
    assert chosen(model, pictures(confounded=False)).transplant < 0.35


def test_weights_that_undo_it_are_counted(model) -> None:
    images = pictures(confounded=True)
    images.class_index[:6] = 1 - images.class_index[:6]
    rare = torch.ones(len(images)).index_fill(0, torch.arange(6), 9.0)
    balanced = chosen(model, images, weighing(rare))
    assert balanced.transplant < chosen(model, images).transplant
    assert "of the weighted ones" in balanced.notes[0]


def test_images_weigh_by_their_surroundings(model) -> None:
    """One picture in ten shows its class where the other one is found: these count, and suffice."""
    images = pictures(confounded=True, count=200)
    images.class_index[::10] = 1 - images.class_index[::10]
    settings = AdjustmentSettings(margin=0)
    found = choose(settings, model, images)
    assert found.weighting is not None
    weights = found.weighting.weights
    rare = torch.zeros(200, dtype=torch.bool).index_fill(0, torch.arange(0, 200, 10), True)
    assert weights[rare].min() > 3 * weights[~rare].median()
    assert weights[rare].sum() > 0.25 * weights.sum()  # a tenth of the images
    assert found.transplant < chosen(model, images).transplant - 0.2
    built = build_adjustment(settings, model, images, model.pack)
    assert built.sampling_weights is not None
    assert torch.equal(built.sampling_weights, weights.float())
    assert any(note.startswith("weights: effective sample size") for note in built.notes)
    given = {"transplant": 0.5, "margin": 0, "restyle": 0}
    again = choose(AdjustmentSettings(**given), model, images)
    assert again.weighting is not None
    assert torch.equal(again.weighting.weights, weights)


def test_every_image_is_weighed_however_few_are_asked_how_far_lesions_reach(
    model, monkeypatch
) -> None:
    monkeypatch.setattr(surroundings, "MOST", 25)
    images, seen = pictures(confounded=True), []
    found = choose(AdjustmentSettings(), model, images, None, lambda *done: seen.append(done))
    assert [done for done in seen if done[0] == done[1]] == [(20, 20), (20, 20), (60, 60)]
    assert found.weighting is not None
    assert len(found.weighting.weights) == 60


def test_where_no_class_can_be_told_all_images_weigh_alike(model) -> None:
    images = pictures(confounded=True)
    images.class_index.fill_(0)
    assert choose(AdjustmentSettings(), model, images).weighting is None


def test_what_comes_along_with_a_lesion_is_no_surroundings(model) -> None:
    """A halo tells the class in every picture; as far as it is carried, nothing has to be done."""
    images = with_halos(pictures(confounded=False))
    assert chosen(model, images).transplant > 0.8
    assert chosen(model, images, margin=0.5).transplant < 0.35


@pytest.mark.parametrize("confounded", [True, False])
def test_a_halo_is_found_and_comes_along(model, confounded) -> None:
    """Where class and surroundings go together for nine pictures in ten, and where they do not."""
    images = pictures(confounded)
    images.class_index[::10] = 1 - images.class_index[::10]
    found = chosen(model, with_halos(images), margin="auto")
    assert found.margin == REACH
    assert "tells of its class" in found.notes[0]
    assert "--margin 0 leaves it behind" in found.notes[0]


@pytest.mark.parametrize("confounded", [True, False])
def test_a_confounder_that_lies_all_over_is_no_halo(model, confounded) -> None:
    images = pictures(confounded)
    images.class_index[::10] = 1 - images.class_index[::10]
    found = chosen(model, images, margin="auto")
    assert found.margin == 0
    assert not any("comes along" in note for note in found.notes)


def test_where_nothing_can_be_told_pictures_are_restyled(model) -> None:
    images = pictures(confounded=True)
    images.class_index.fill_(0)
    found = chosen(model, images, margin="auto", restyle="auto")
    assert (found.transplant, found.margin, found.restyle) == (0, 0, RESTYLED)
    assert "cannot be told; 0% of the lesions are transplanted, 70%" in found.notes[0]
    asked = chosen(model, images, transplant=0.25, restyle="auto")
    assert (asked.transplant, asked.restyle) == (0.25, RESTYLED)


def test_where_classes_can_be_told_nothing_is_restyled(model) -> None:
    assert chosen(model, pictures(confounded=True), restyle="auto").restyle == 0


def test_what_is_given_as_a_number_is_not_looked_for() -> None:
    given = {"transplant": 0.3, "margin": 0.2, "restyle": 0.1}
    found = chosen(None, pictures(confounded=True), **given)
    assert found == Chosen(0.3, 0.2, 0.1, None)
    none = chosen(None, pictures(confounded=True), transplant=0, margin="auto")
    assert none == Chosen(0, 0, 0, None)


def test_of_many_images_some_are_looked_at(model, monkeypatch) -> None:
    monkeypatch.setattr(surroundings, "MOST", 25)
    images, seen = pictures(confounded=True), []
    weighting = weighing(torch.ones(len(images)))
    found = choose(SHARE, model, images, weighting, lambda done, of: seen.append((done, of)))
    assert seen[-1] == (20, 20)  # every third of 60
    assert found.transplant == 1


def test_what_is_chosen_is_what_training_does(model) -> None:
    built = build_adjustment(
        AdjustmentSettings(weighting="none"), model, pictures(confounded=True), model.pack
    )
    [step] = built.doing
    assert isinstance(step, Transplant)
    assert (step.probability, step.margin) == (1, 0)
    assert any(note.startswith("surroundings: ") for note in built.notes)
    alike = pictures(confounded=True)
    alike.class_index.fill_(0)
    built = build_adjustment(AdjustmentSettings(weighting="none"), model, alike, model.pack)
    [step] = built.doing
    assert isinstance(step, Restyle)
    assert step.probability == RESTYLED


def test_where_nothing_can_be_told_nothing_is_painted(monkeypatch) -> None:
    monkeypatch.setattr(surroundings, "embed", None)
    alike = pictures(confounded=True)
    alike.class_index.fill_(0)
    assert chosen(None, alike, margin="auto", restyle="auto").restyle == RESTYLED
    apart = pictures(confounded=True)
    assert chosen(None, apart, transplant=0.5, margin=0, restyle="auto") == Chosen(0.5, 0, 0, None)


def test_what_was_looked_for_in_vain_is_told(model) -> None:
    alike = pictures(confounded=True)
    alike.class_index.fill_(0)
    settings = AdjustmentSettings(weighting="none", restyle=0)
    built = build_adjustment(settings, model, alike, model.pack)
    assert built.doing == ()
    assert "cannot be told" in built.notes[0]
