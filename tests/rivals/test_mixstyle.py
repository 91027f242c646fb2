"""MixStyle as a rival; what the layer does to maps is in tests/encoders."""

from __future__ import annotations

import torch

from deconfound.rivals import MixStyle
from deconfound.testing import RivalContract
from deconfound.testing.rivals import batch, build_model


class TestMixStyle(RivalContract):
    def make(self) -> MixStyle:
        return MixStyle(probability=1.0)


def test_the_published_variant_acts_on_the_shallow_levels() -> None:
    for levels, expected in (("shallow", (2, 3)), ("all", (2, 3, 4, 5)), ([-1], (5,))):
        layer = build_model(MixStyle(levels=levels)).level_intervention
        assert layer.levels == expected  # an FPN reads levels 2 to 5


def test_training_meets_other_logits_and_evaluation_its_own() -> None:
    model, plain = build_model(MixStyle(probability=1.0)), build_model(MixStyle(probability=0.0))
    images = model.normalize(batch()["image"])
    with torch.no_grad():
        assert torch.equal(model.eval()(images), plain.eval()(images))
        model.level_intervention.train()
        assert not torch.allclose(model(images), plain(images), atol=1e-3)
