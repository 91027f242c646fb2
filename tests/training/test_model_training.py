"""Every step in order: what was read is read once, and a resumed training goes by it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from deconfound import CausalLoss, CausalSegmenter
from deconfound.data.memory import MemoryDataset
from deconfound.errors import DataError, RunFolderError
from deconfound.training import ModelTraining, RunFolder, TrainingSettings, launch
from deconfound.training.adjusting import adjustment_by, build_adjustment, read_images
from deconfound.training.adjustment import AdjustmentSettings
from deconfound.training.history import EpochRecord
from deconfound.training.progress import Watcher
from deconfound.training.what_was_read import WhatWasRead
from tests.tiny import tiny_vlm

SETTINGS = TrainingSettings(epochs=2, batch_size=4, lr=1e-3, accelerator="cpu")
COUNT, SIZE = 12, 64
KEPT = "adjusting/model.json"


class Killed(Exception):
    """What stands for a kill."""


class KilledAfterAnEpoch(Watcher):
    def epoch(self, record: EpochRecord) -> None:
        raise Killed


def images(count: int = COUNT) -> MemoryDataset:
    g = torch.Generator().manual_seed(0)
    masks = torch.zeros(count, SIZE, SIZE, dtype=torch.uint8)
    masks[:, 20:40, 20:40] = 1
    pictures = torch.randint(0, 256, (count, 3, SIZE, SIZE), generator=g).to(torch.uint8)
    pictures[1::2] //= 4  # surroundings tell the class
    return MemoryDataset(pictures, masks, torch.arange(count) % 2, torch.zeros(count).long())


def training(
    folder: Path, adjusting: AdjustmentSettings | None = None, count: int = COUNT
) -> ModelTraining:
    """A training of a new model, begun in the folder or gone on with there."""
    torch.manual_seed(0)
    model = CausalSegmenter("Linknet", vlm=tiny_vlm(), selector="all", intervention="identity")
    return ModelTraining(
        model,
        CausalLoss(model.prompts),
        images(count),
        images(4),
        SETTINGS,
        RunFolder.create(folder, {}, resume=folder.exists()),
        launch(SETTINGS),
        AdjustmentSettings() if adjusting is None else adjusting,
    )


def weights_after(one: ModelTraining) -> dict[str, Tensor]:
    one.train(one.prepare())
    return one.model.state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A training that was killed after its first epoch."""
    one = training(tmp_path / "cut")
    with pytest.raises(Killed):
        one.train(one.prepare(), KilledAfterAnEpoch())
    return one.run.path


def test_a_training_without_images_is_one_sentence(tmp_path) -> None:
    one = replace(training(tmp_path / "run"), train_set=[])
    with pytest.raises(DataError, match="the training set has 0 images, at least 1 are needed"):
        one.prepare()


def test_a_resumed_training_reads_nothing_again(cut, tmp_path, monkeypatch) -> None:
    whole = weights_after(training(tmp_path / "whole"))
    for module in ("adjusting", "surroundings", "calibrating"):
        monkeypatch.setattr(f"deconfound.training.{module}.embed", None)
    assert same(whole, weights_after(training(cut)))


def test_a_resumed_training_goes_by_the_weights_that_were_kept(cut) -> None:
    """Here another processor's, on which one image alone was worth drawing."""
    told = json.loads((cut / KEPT).read_text())
    weights = [float(COUNT)] + [0.0] * (COUNT - 1)
    told |= {"weights": weights, "transplant": 0.25, "restyle": 0.0, "notes": ["read"]}
    (cut / KEPT).write_text(json.dumps(told))
    adjustment = training(cut).prepare()
    assert adjustment.sampling_weights is not None
    assert adjustment.sampling_weights.tolist() == told["weights"]
    assert [step.probability for step in adjustment.doing] == [0.25]
    assert adjustment.notes == ("read",)


def test_a_resumed_training_goes_by_the_prior_that_it_began_with(tmp_path, monkeypatch) -> None:
    """P(z) is read again, on another processor to other bits; the checkpoint holds the first."""
    whole = replace(training(tmp_path / "whole"), reads_prior=True)
    expected = weights_after(whole)
    one = replace(training(tmp_path / "cut"), reads_prior=True)
    with pytest.raises(Killed):
        one.train(one.prepare(), KilledAfterAnEpoch())
    again = replace(training(tmp_path / "cut"), reads_prior=True)
    monkeypatch.setattr(
        "deconfound.training.model_training.fit_prior",
        lambda model, *_: model.dictionary.weigh(
            torch.arange(1.0, 1 + len(model.dictionary.prior))
        ),
    )
    assert same(expected, weights_after(again))


def test_what_is_kept_is_what_was_read_to_the_last_bit(tmp_path) -> None:
    one = training(tmp_path / "run")
    read = build_adjustment(AdjustmentSettings(), one.model, images(), one.model.pack)
    kept = one.prepare()
    assert read.weights is not None
    assert kept.weights is not None
    assert torch.equal(kept.weights, read.weights)
    assert [each.probability for each in kept.doing] == [each.probability for each in read.doing]
    assert kept.notes == read.notes


def test_every_float32_comes_back(tmp_path) -> None:
    settings = AdjustmentSettings()
    weights = torch.rand(1000, generator=torch.Generator().manual_seed(0)).exp2() / 3
    told = WhatWasRead(
        settings=settings,
        images=1000,
        which=None,
        weights=tuple(weights.tolist()),
        temperature=0.1,
        transplant=1 / 3,
        margin=0.5,
        restyle=0.0,
        notes=(),
    )
    path = tmp_path / "new" / "read.json"
    told.keep(path)
    kept = WhatWasRead.kept(path, settings, range(1000))
    assert kept == told
    again = adjustment_by(kept, training(tmp_path / "run").model.pack)
    assert again.weights is not None
    assert torch.equal(again.weights, weights)


def test_other_images_cannot_resume(cut) -> None:
    with pytest.raises(RunFolderError) as caught:
        training(cut, count=10).prepare()
    assert str(caught.value) == (
        f"{cut / KEPT}: expected the 12 training images that the training was begun with, found "
        f"10; give the same images, or choose another --out"
    )


def test_as_many_other_images_cannot_resume(cut) -> None:
    one = training(cut)
    one.train_set.class_index = one.train_set.class_index.flip(0)
    with pytest.raises(RunFolderError) as caught:
        one.prepare()
    assert str(caught.value) == (
        f"{cut / KEPT}: expected the 12 training images that the training was begun with, found "
        f"as many others; give the same images, or choose another --out"
    )


def test_another_adjustment_cannot_resume(cut) -> None:
    with pytest.raises(RunFolderError, match=r'transplant \("auto" then, 0.5 now\)'):
        training(cut, AdjustmentSettings(transplant=0.5)).prepare()


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"images": 12}'])
def test_damaged_readings_are_named(cut, text) -> None:
    (cut / KEPT).write_text(text)
    with pytest.raises(RunFolderError, match=r"model\.json: expected what was read"):
        training(cut).prepare()


def test_a_reading_that_was_deleted_is_made_again(cut, tmp_path) -> None:
    (cut / KEPT).unlink()
    assert same(weights_after(training(tmp_path / "whole")), weights_after(training(cut)))
    assert (cut / KEPT).exists()


def test_plain_training_reads_nothing(tmp_path, monkeypatch) -> None:
    for module in ("adjusting", "surroundings", "calibrating"):
        monkeypatch.setattr(f"deconfound.training.{module}.embed", None)
    one = training(tmp_path / "run", AdjustmentSettings.off())
    told = read_images(one.adjusting, one.model, one.train_set, one.model.pack)
    assert (told.weights, told.temperature, told.transplant, told.notes) == (None, None, 0, ())
    assert one.prepare() == adjustment_by(told, one.model.pack)
