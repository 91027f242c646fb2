"""The reading's temperature, from confounders that were drawn: its scale, its use, its limits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deconfound.errors import ConfigurationError
from deconfound.estimators.weighting import balancing_weights
from deconfound.packs import PromptPack
from deconfound.training.adjusting import build_adjustment, read
from deconfound.training.adjustment import AdjustmentSettings
from deconfound.training.calibrating import fitted_temperature
from deconfound.types import Confounders

BALANCED = AdjustmentSettings(transplant=0, restyle=0, weigh_by="words")


class Greys:
    """Evenly grey pictures of many shades, of two classes."""

    def __init__(self, length: int = 60) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        shade = 0.2 + 0.6 * (index * 7 % self.length) / self.length
        image = torch.full((3, 8, 8), shade)
        return {"image": image, "mask": torch.zeros(8, 8).long(), "class_index": index % 2}


class LightMeter(nn.Module):
    """Reads bright pictures as the first confounder and dark ones as the last.

    Args:
        sharpness: factor of every cosine.
        names: of the confounders; all but the first two are orthogonal to every picture.
    """

    def __init__(self, sharpness: float, names: tuple[str, ...] = ("light", "gloom")) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.sharpness = sharpness
        embeddings = torch.zeros(len(names), 3)
        embeddings[:2, 0] = torch.tensor([1.0, -1.0])
        embeddings[2:, 2] = 1
        prior = torch.full((len(names),), 1 / len(names))
        self.z = Confounders(embeddings, prior, names)

    def normalize(self, images: Tensor) -> Tensor:
        return images

    def tower(self, images: Tensor) -> SimpleNamespace:
        cosine = self.sharpness * (images.mean(dim=(1, 2, 3)) - 0.5)
        rest = (1 - cosine.square()).sqrt()
        return SimpleNamespace(pooled=torch.stack([cosine, rest, 0 * rest], dim=1))

    def dictionary(self) -> Confounders:
        return self.z


def lamps(**render: str | None) -> PromptPack:
    """A pack of confounders, each with what draws it."""
    mapping = PromptPack.load("endoscopy").to_mapping()
    shown = [
        {"name": name, "text": f"lamp {name}", "role": "acquisition", "render": operation}
        for name, operation in render.items()
    ]
    return PromptPack.from_mapping({**mapping, "groups": [{"name": "lamp", "confounders": shown}]})


def test_cosines_that_are_half_as_large_are_read_at_half_the_temperature() -> None:
    pack = lamps(light="brighten", gloom="darken")
    sharp, blunt = (fitted_temperature(LightMeter(s), Greys(), pack) for s in (0.4, 0.2))
    assert 0.001 < sharp < 1
    assert blunt == pytest.approx(sharp / 2, rel=1e-2)
    assert fitted_temperature(LightMeter(0.4), Greys(), pack) == sharp  # draws the same again


def test_what_cannot_be_told_apart_is_doubted() -> None:
    """Grain leaves the light of a picture as it was, so light says nothing of it."""
    told, untold = (
        fitted_temperature(LightMeter(0.4), Greys(), lamps(light=first, gloom=second))
        for first, second in (("brighten", "darken"), ("sharpen", "compress"))
    )
    assert untold > 3 * told


def test_a_confounder_that_nothing_draws_is_left_out_of_the_fit() -> None:
    both = fitted_temperature(LightMeter(0.4), Greys(), lamps(light="brighten", gloom="darken"))
    meter = LightMeter(0.4, ("light", "gloom", "age"))
    pack = lamps(light="brighten", gloom="darken", age=None)
    assert fitted_temperature(meter, Greys(), pack) == pytest.approx(both, rel=1e-6)


def test_the_weights_are_those_of_the_fitted_temperature() -> None:
    pack, meter, images = lamps(light="brighten", gloom="darken"), LightMeter(0.4), Greys()
    temperature = fitted_temperature(meter, images, pack)
    built = build_adjustment(BALANCED.model_copy(update={"calibrate": True}), meter, images, pack)
    posterior, classes = read(meter, images, temperature=temperature)
    expected = balancing_weights(posterior, classes, len(pack.class_names), clip=20).weights
    assert built.weights is not None
    assert torch.equal(built.weights, expected.float())
    assert any(f"temperature {temperature:.3g}" in note for note in built.notes)
    plain = build_adjustment(BALANCED, meter, images, pack)
    assert plain.weights is not None
    assert not torch.equal(built.weights, plain.weights)


def test_what_cannot_be_calibrated_is_refused() -> None:
    pack = lamps(light="brighten", gloom=None)
    with pytest.raises(ConfigurationError, match="found 1 of 2; say `render`"):
        fitted_temperature(LightMeter(0.4), Greys(), pack)
    for asked in ({"weighting": "none"}, {"weigh_by": "surroundings"}):
        settings = AdjustmentSettings(**asked, calibrate=True)
        with pytest.raises(ConfigurationError, match="expected images that are weighed by words"):
            build_adjustment(settings, LightMeter(0.4), Greys(), pack)
