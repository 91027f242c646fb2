"""Finished trainings: found by what their scores follow from, and never lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from deconfound.data.memory import MemoryDataset
from deconfound.diagnostics.refuters import LinearView, Training
from deconfound.diagnostics.refuters.image_subject import Look
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
    dice, area, predicted = torch.rand(3, 4, dtype=torch.float64)
    look = Look(dice, LinearView(area, predicted, torch.rand(4, 3, dtype=torch.float64)))
    ledger.work(ledger.name(Training(Z))).mkdir(parents=True)
    ledger.add(ledger.name(Training(Z)), look, repetition=0)
    again = Ledger(tmp_path / "refute", "mcdrl", pictures())
    kept = again.look(again.name(Training(Z)))
    assert torch.equal(kept.dice, dice)
    for part in ("outcome", "treatment", "controls"):
        assert torch.equal(getattr(kept.view, part), getattr(look.view, part))
    assert not again.work(again.name(Training(Z))).exists()


def test_a_training_is_told_by_everything_that_its_scores_follow_from(tmp_path) -> None:
    one = Ledger(tmp_path, "mcdrl", pictures())
    other_method = Ledger(tmp_path, "adjusted", pictures())
    other_pictures = Ledger(tmp_path, "mcdrl", pictures(1))
    other_prior = replace(Z, prior=torch.tensor([0.5, 0.25, 0.25]))
    asked = (Training(Z), Training(Z, 1), Training(replace(Z, embeddings=Z.embeddings * 2)))
    changed = (Training(Z, dealt=0), Training(Z, dealt=1), Training(Z, regions=0))
    names = [
        *(one.name(training) for training in (*asked, *changed, Training(other_prior))),
        *(other_method.name(Training(Z)), other_pictures.name(Training(Z))),
    ]
    assert len(set(names)) == len(names)
    assert one.name(Training(replace(Z, names=("x", "y", "z")))) == one.name(Training(Z))


def test_two_commands_lose_none_of_each_others_trainings(tmp_path) -> None:
    one, other = (Ledger(tmp_path, "mcdrl", pictures()) for _ in range(2))
    scores = torch.rand(4, dtype=torch.float64)
    look = Look(scores, LinearView(scores, scores, scores[:, None]))
    one.add(one.name(Training(Z, 0)), look)
    other.add(other.name(Training(Z, 1)), look)
    again = Ledger(tmp_path, "mcdrl", pictures())
    assert all(again.name(Training(Z, seed)) in again for seed in (0, 1))


def test_what_another_command_trains_is_waited_for_and_not_trained_again(tmp_path) -> None:
    one, other = (Ledger(tmp_path, "mcdrl", pictures()) for _ in range(2))
    name, scores, said = one.name(Training(Z)), torch.rand(4, dtype=torch.float64), []
    look = Look(scores, LinearView(scores, scores, scores[:, None]))

    def finished_meanwhile() -> bool:
        with other.alone(name, said.append):
            return name in other

    with ThreadPoolExecutor(1) as pool:
        with one.alone(name, said.append):
            waiting = pool.submit(finished_meanwhile)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
            one.add(name, look)
        assert waiting.result(timeout=30)
    assert said == [f"{other.work(name)}: another command is at work on it; waiting"]


def test_a_damaged_line_is_named(tmp_path) -> None:
    (tmp_path / "trainings.jsonl").write_text('{"training": "x", "scores": [1]}\n')
    with pytest.raises(RunFolderError, match=r"jsonl, line 1: expected a finished .*'view'"):
        Ledger(tmp_path, "mcdrl", pictures())
