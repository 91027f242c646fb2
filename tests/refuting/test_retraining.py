"""Training again: what it takes is known before, and nothing is trained twice."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from rich.console import Console

from deconfound import CausalSegmenter, TextPromptDictionary
from deconfound.data.memory import MemoryDataset
from deconfound.diagnostics.refuters import (
    DummyOutcome,
    PlaceboDictionary,
    PlaceboRegions,
    RandomCommonCause,
    UnobservedConfounder,
    refute,
)
from deconfound.refuting.ledger import Ledger
from deconfound.refuting.pictures import Pictures
from deconfound.refuting.retraining import Retraining
from deconfound.training.models_progress import ModelsProgress
from tests.tiny import tiny_vlm

REFUTERS = (PlaceboDictionary(), RandomCommonCause())


@pytest.fixture(scope="module")
def model() -> CausalSegmenter:
    torch.manual_seed(0)
    decoder = {"name": "Unet", "decoder_channels": (16, 16, 8, 8, 8)}
    return CausalSegmenter(decoder, vlm=tiny_vlm(), intervention="gated_mlp")


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    g = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (4, 3, 32, 32), generator=g, dtype=torch.uint8)
    masks = (torch.rand(4, 32, 32, generator=g) < 0.4).to(torch.uint8)
    nothing = torch.zeros(4, dtype=torch.int64)
    return Pictures(MemoryDataset(images, masks, nothing, nothing), ["a", "a", "b", "b"], "here")


class Trains:
    """Gives an untrained model the dictionary, and fails after so many."""

    def __init__(self, model: CausalSegmenter, most: int = 100) -> None:
        self.model, self.most, self.made = model, most, []

    def __call__(self, training, folder, watcher) -> CausalSegmenter:
        if len(self.made) == self.most:
            raise KeyboardInterrupt
        confounders = training.confounders
        self.made.append((training, folder.name))
        again = copy.deepcopy(self.model)
        z = TextPromptDictionary(confounders.names, confounders.embeddings, confounders.prior)
        again.dictionary = z
        return again


def quiet(models: int) -> ModelsProgress:
    return ModelsProgress(models, Console(file=io.StringIO()))


def doubted(model, pictures, folder) -> Retraining:
    return Retraining(model.dictionary(), pictures, Ledger(folder, "mcdrl", pictures.images))


def test_a_rehearsal_trains_nothing_and_knows_what_it_takes(model, pictures, tmp_path) -> None:
    subject = doubted(model, pictures, tmp_path)
    refute(subject, REFUTERS, (0, 1))
    assert len(subject.asked) == subject.missing == 6  # real, placebo, coin; twice each
    trains = Trains(model)
    with quiet(6) as progress:
        subject.train_by(trains, progress)
        refute(subject, REFUTERS, (0, 1))
    assert sorted(name for _, name in trains.made) == sorted(subject.asked)
    assert subject.missing == 0
    assert progress.done == 6


def test_what_is_finished_when_it_stops_is_not_trained_again(model, pictures, tmp_path) -> None:
    whole = doubted(model, pictures, tmp_path / "whole")
    cut = doubted(model, pictures, tmp_path / "cut")
    first, rest = Trains(model, most=2), Trains(model)
    with quiet(3) as progress:
        whole.train_by(Trains(model), progress)
        expected = refute(whole, REFUTERS, (0,))
    with quiet(3) as progress:
        cut.train_by(first, progress)
        with pytest.raises(KeyboardInterrupt):
            refute(cut, REFUTERS, (0,))
    again = doubted(model, pictures, tmp_path / "cut")
    with quiet(1) as progress:
        again.train_by(rest, progress)
        assert refute(again, REFUTERS, (0,)) == expected
    assert len(first.made) == 2
    assert len(rest.made) == 1
    finished = doubted(model, pictures, tmp_path / "cut")
    assert refute(finished, REFUTERS, (0,)) == expected  # nobody trains: all is known


def test_every_refuter_of_a_trained_model_is_answered_by_training_too(
    model, pictures, tmp_path
) -> None:
    subject, trains = doubted(model, pictures, tmp_path), Trains(model)
    refuters = (DummyOutcome(deals=1), PlaceboRegions(), UnobservedConfounder())
    refute(subject, refuters, (0,))
    assert subject.missing == 4  # real and placebo of dealt masks; other regions; real
    with quiet(4) as progress:
        subject.train_by(trains, progress)
        found = refute(subject, refuters, (0,))
    asked = [(training.dealt, training.regions) for training, _ in trains.made]
    assert sorted(asked, key=str) == sorted([(0, None)] * 2 + [(None, 0), (None, None)], key=str)
    again = doubted(model, pictures, tmp_path)
    assert str(refute(again, refuters, (0,))) == str(found)  # from the ledger alone, views too
    assert "give more units" in found[2].reason  # it was asked; four pictures are too few


def test_dealt_masks_are_scored_where_they_were_dealt_to(model, pictures, tmp_path) -> None:
    subject = doubted(model, pictures, tmp_path)
    dealt = subject.with_shuffled_outcomes(3)
    order = dealt.images.order
    with quiet(2) as progress:
        dealt.train_by(Trains(model), progress)
        subject.train_by(Trains(model), progress)
        dealt_view = dealt.linear_view(subject.dictionary())
        view = subject.linear_view(subject.dictionary())
    assert torch.equal(dealt_view.outcome, view.outcome[order])
    assert torch.equal(dealt_view.treatment, view.treatment)
