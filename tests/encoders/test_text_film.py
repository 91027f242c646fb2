"""Levels modulated by texts: the identity at first, FiLM with one text, a choice with several."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.encoders.level_interventions import TextFiLM, level_interventions
from deconfound.errors import ConfigurationError, ShapeError
from deconfound.testing.strategies import generator, seeds

CHANNELS, DIM = (3, 5, 4), 6


def maps(g: torch.Generator) -> list[torch.Tensor]:
    sizes = zip(CHANNELS, (8, 4, 2), strict=True)
    return [torch.randn(2, c, s, s + 1, generator=g) for c, s in sizes]


def randomised(texts: torch.Tensor, g: torch.Generator, **options) -> TextFiLM:
    layer = TextFiLM(CHANNELS, texts, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=g))
    return layer


@given(seed=seeds, count=st.integers(1, 4))
def test_untrained_it_is_the_identity_bit_for_bit(seed, count) -> None:
    g = generator(seed)
    pyramid = maps(g)
    found = TextFiLM(CHANNELS, torch.randn(count, DIM, generator=g))(pyramid)
    assert all(torch.equal(a, b) for a, b in zip(found, pyramid, strict=True))


@given(seed=seeds)
def test_one_text_is_film_as_published(seed) -> None:
    g = generator(seed)
    pyramid, text = maps(g), torch.randn(1, DIM, generator=g)
    layer = randomised(text, g)
    found = layer(pyramid)
    for level in (1, 2):
        part = layer.modulations[str(level)]
        scale, shift = (x(text)[0, :, None, None] for x in (part.scale, part.shift))
        expected = pyramid[level] * (1 + scale) + shift
        torch.testing.assert_close(found[level], expected, atol=1e-4, rtol=1e-4)


@given(seed=seeds, order=st.permutations(range(3)))
def test_several_texts_are_a_mixture_in_any_order(seed, order) -> None:
    g = generator(seed)
    pyramid, texts = maps(g), torch.randn(3, DIM, generator=g)
    layer = randomised(texts, g)
    found = layer(pyramid)[1]
    each = []
    for text in texts:
        layer.texts = text[None]
        each.append(layer(pyramid)[1])
    low, high = torch.stack(each).amin(dim=0), torch.stack(each).amax(dim=0)
    assert ((found >= low - 1e-3) & (found <= high + 1e-3)).all()
    layer.texts = texts[list(order)]
    torch.testing.assert_close(layer(pyramid)[1], found, atol=1e-3, rtol=1e-3)


def test_where_a_location_looks_like_a_text_it_gets_that_modulation() -> None:
    layer = TextFiLM((3, 2), torch.eye(2), levels=[1])
    part = layer.modulations["1"]
    with torch.no_grad():
        part.choice.weight.copy_(50 * torch.eye(2))
        part.shift.weight.copy_(torch.tensor([[1.0, -1.0], [0.0, 0.0]]))
    level = torch.tensor([[1.0, 0.0], [0.0, 1.0]])[None, :, :, None]  # one location per text
    moved = layer([torch.zeros(1, 3, 2, 1), level])[1] - level
    torch.testing.assert_close(moved[0, 0, :, 0], torch.tensor([1.0, -1.0]))


def test_gradients_reach_every_parameter() -> None:
    g = generator(0)
    layer = randomised(torch.randn(3, DIM, generator=g), g)
    sum(level.square().sum() for level in layer(maps(g))).backward()
    assert all(p.grad.abs().max() > 0 for p in layer.parameters())
    assert "texts" not in dict(layer.named_parameters())


def test_it_acts_on_the_chosen_levels_alone_and_is_built_again() -> None:
    g = generator(0)
    pyramid, layer = maps(g), randomised(torch.randn(3, DIM, generator=g), g, levels=[-1])
    found = layer(pyramid)
    assert found[0] is pyramid[0]
    assert found[1] is pyramid[1]
    assert not torch.equal(found[2], pyramid[2])
    again = level_interventions.build(
        {"name": "clipseg_film", **json.loads(json.dumps(layer.options()))}
    )
    assert again.texts.isnan().all()
    again.load_state_dict(layer.state_dict())
    assert torch.equal(again(pyramid)[2], found[2])


def test_levels_and_maps_that_do_not_fit() -> None:
    texts = torch.zeros(2, DIM)
    with pytest.raises(ConfigurationError, match=r"among those the decoder reads, \[2\]"):
        TextFiLM(CHANNELS, texts, levels=[1], allowed=[2])
    with pytest.raises(ShapeError, match="text FiLM: expected level 1 with 5 channels"):
        TextFiLM(CHANNELS, texts)([torch.zeros(1, 3, 4, 4)] * 3)
