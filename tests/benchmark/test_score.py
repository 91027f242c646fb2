"""A model is scored picture by picture, in their order, on pictures in [0, 1]."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deconfound.benchmark.scoring import by_cell, score
from deconfound.simulation import CLASSES, WORLDS
from deconfound.simulation.scm import SETTABLE


class Knowing(nn.Module):
    """Answers with the masks it was given, in the order in which it is asked."""

    def __init__(self, masks: torch.Tensor) -> None:
        super().__init__()
        self.masks, self.asked = masks.long(), 0
        self.weight = nn.Parameter(torch.zeros(()))

    def normalize(self, images: torch.Tensor) -> torch.Tensor:
        assert images.min() >= 0
        assert images.max() <= 1
        return images

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        masks = self.masks[self.asked : self.asked + len(images)]
        self.asked += len(images)
        return nn.functional.one_hot(masks, len(CLASSES) + 1).movedim(-1, 1).float()


@pytest.mark.parametrize("batch", [1, 6, 50])
def test_what_is_missed_scores_nothing_and_what_is_misnamed_was_found(batch: int) -> None:
    sample = WORLDS["mixed"].sample(20, "interventional", seed=3, size=32)
    answers = sample.masks.clone()
    answers[7] = 0
    answers[11] = torch.where(answers[11] > 0, answers[11] % len(CLASSES) + 1, 0)
    dice, found = score(Knowing(answers), sample, batch)
    assert (dice < 1).nonzero().tolist() == [[7], [11]]
    assert dice[7] == dice[11] == 0
    assert (found < 1).nonzero().tolist() == [[7]]


def test_a_cell_of_the_table_is_its_class_under_its_confounder() -> None:
    sample = WORLDS["mixed"].sample(60, "interventional", seed=3, size=32)
    dice = torch.rand(60, generator=torch.Generator().manual_seed(0))
    table = by_cell(dice, sample)
    for k, lesion in enumerate(CLASSES):
        for z in sample.confounder[sample.class_index == k].unique().tolist():
            rows = (sample.class_index == k) & (sample.confounder == z)
            name = SETTABLE[z] if z >= 0 else "none"
            assert table[lesion][name] == (pytest.approx(float(dice[rows].mean())), int(rows.sum()))
