"""Finished trainings: found by what their scores follow from, and never lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from deconfound.data.memory import MemoryDataset
from deconfound.errors import RunFolderError
from deconfound.refuting.ledger import Ledger
from deconfound.types import Confounders

Z = Confounders(torch.eye(3, 8), torch.full((3,), 1 / 3), ("a", "b", "c"))


def pictures(seed: int = 0) -> MemoryDataset:
    g = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (4, 3, 8, 8), generator=g, dtype=torch.uint8)
    nothing = torch.zeros(4, dtype=torch.int64)
    return MemoryDataset(images, torch.ones(4, 8, 8, dtype=torch.uint8), nothing, nothing)


def test_what_was_added_is_there_again_bit_for_bit(tmp_path) -> None:
    ledger = Ledger(tmp_path / "refute", "mcdrl", pictures())
    scores = torch.rand(4, dtype=torch.float64)
    ledger.work(ledger.name(Z, 0)).mkdir(parents=True)
    ledger.add(ledger.name(Z, 0), scores, repetition=0)
    again = Ledger(tmp_path / "refute", "mcdrl", pictures())
    assert torch.equal(again.scores(again.name(Z, 0)), scores)
    assert not again.work(again.name(Z, 0)).exists()


def test_a_training_is_told_by_everything_that_its_scores_follow_from(tmp_path) -> None:
    one = Ledger(tmp_path, "mcdrl", pictures())
    other_method = Ledger(tmp_path, "adjusted", pictures())
    other_pictures = Ledger(tmp_path, "mcdrl", pictures(1))
    other_prior = replace(Z, prior=torch.tensor([0.5, 0.25, 0.25]))
    names = [
        *(one.name(Z, 0), one.name(Z, 1), one.name(replace(Z, embeddings=Z.embeddings * 2), 0)),
        *(one.name(other_prior, 0), other_method.name(Z, 0), other_pictures.name(Z, 0)),
    ]
    assert len(set(names)) == len(names)
    assert one.name(replace(Z, names=("x", "y", "z")), 0) == one.name(Z, 0)


def test_a_damaged_line_is_named(tmp_path) -> None:
    (tmp_path / "trainings.jsonl").write_text('{"training": "x", "scores": [1]}\n{"train\n')
    with pytest.raises(RunFolderError, match=r"jsonl, line 2: expected a finished training"):
        Ledger(tmp_path, "mcdrl", pictures())
