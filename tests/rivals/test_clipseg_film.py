"""CLIPSeg-style FiLM: the contract of rivals, and that it starts as plain training."""

from __future__ import annotations

import pytest
import torch

from deconfound.rivals import ClipSegFiLM, Plain
from deconfound.testing import RivalContract
from deconfound.testing.rivals import Trainer, batch, build_model, build_objective, mini


class TestClipSegFiLM(RivalContract):
    def make(self) -> ClipSegFiLM:
        return ClipSegFiLM()


@pytest.mark.parametrize("classes", [1, 6])
def test_untrained_its_logits_are_those_of_plain_bit_for_bit(classes) -> None:
    plain, film = (build_model(rival, classes=classes).eval() for rival in (Plain(), ClipSegFiLM()))
    images = plain.normalize(batch()["image"][:2])
    assert torch.equal(film(images), plain(images))


def test_every_level_that_the_decoder_reads_is_modulated_or_the_deepest_alone() -> None:
    model = build_model(ClipSegFiLM())
    assert model.level_intervention.levels == model.body.levels_read
    deepest = build_model(ClipSegFiLM(**ClipSegFiLM.grid[2]))
    assert deepest.level_intervention.levels == model.body.levels_read[-1:]


def test_the_texts_are_those_of_the_classes_and_of_normal_tissue_and_stay() -> None:
    vlm, pack = mini()
    trainer = Trainer(build_objective(ClipSegFiLM()), lr=3e-3)
    layer = trainer.objective.model.level_intervention
    expected = vlm.encode_text([*pack.class_prompts(), pack.normal_prompt()])
    trainer.train(range(2))
    assert torch.equal(layer.texts, expected)


def test_a_trained_model_heeds_the_texts() -> None:
    trainer = Trainer(build_objective(ClipSegFiLM()), lr=3e-3)
    trainer.train(range(3))
    model = trainer.objective.model.eval()
    images = model.normalize(batch()["image"][:2])
    with torch.no_grad():
        said = model(images)
        model.level_intervention.texts.copy_(-model.level_intervention.texts)
        assert (model(images) - said).abs().max() > 1e-3
