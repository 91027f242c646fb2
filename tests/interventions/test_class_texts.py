"""Class texts at every location: prompts that follow the style, and prompts that are learned."""

from __future__ import annotations

import json
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.interventions import (
    ClassTextIntervention,
    InterventionLayer,
    LearnedPromptIntervention,
    StylePromptIntervention,
    interventions,
)
from deconfound.interventions.style_prompts import style
from deconfound.testing import InterventionLayerContract
from deconfound.testing.strategies import DIM, confounders, generator, regions, seeds
from deconfound.types import Confounders, Regions
from deconfound.vlm import VisionLanguageModel
from deconfound.vlm.architecture import build_clip
from deconfound.vlm.context import ContextText, word_vectors
from tests.vlm.towers import TEXT, VIT, tokenizer

WORDS, SENTENCES, SCALE = "a photo of a", ["polyp", "cyst", "normal tissue"], 5.0


@cache
def vlm() -> VisionLanguageModel:
    config = {"embed_dim": DIM, "vision_cfg": VIT, "text_cfg": TEXT}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clip = build_clip(config)
        torch.nn.init.normal_(clip.token_embedding.weight)
    return VisionLanguageModel.from_open_clip(clip, config, tokenizer())


def style_prompts() -> StylePromptIntervention:
    start = word_vectors(vlm(), WORDS)
    text = ContextText.of(vlm(), SENTENCES, len(start))
    return StylePromptIntervention(DIM, text, start, SCALE)


def learned_prompts() -> LearnedPromptIntervention:
    start = word_vectors(vlm(), WORDS)
    text = ContextText.of(vlm(), SENTENCES, len(start), persistent=False)
    return LearnedPromptIntervention(DIM, len(SENTENCES), start, SCALE, text)


def written() -> torch.Tensor:
    return vlm().encode_text([f"{WORDS} {sentence}" for sentence in SENTENCES])


class TestStylePrompts(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return style_prompts()


class TestLearnedPrompts(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return learned_prompts()


class Fixed(ClassTextIntervention):
    """Given texts."""

    def __init__(self, given: torch.Tensor, scale: float = SCALE) -> None:
        super().__init__(DIM, scale)
        self.given = given

    def texts(self, features: torch.Tensor) -> torch.Tensor:
        return self.given[None]


@given(f=regions(), z=confounders(), factor=st.floats(0.1, 100))
def test_what_joins_is_as_long_as_the_region_allows(f, z, factor) -> None:
    """However long features are, text and feature stay in proportion."""
    layer = Fixed(written())
    longer = Regions(factor * f.features, f.index)
    torch.testing.assert_close(
        layer(longer, z).features, factor * layer(f, z).features, atol=1e-3, rtol=1e-4
    )
    joined = layer(f, z).features - f.features
    assert (joined.norm(dim=-1) <= f.features.norm(dim=-1) * (1 + 1e-5)).all()


@given(f=regions(), z=confounders(), k=st.integers(0, 2))
def test_a_region_that_is_a_text_is_joined_by_it(f, z, k) -> None:
    texts = torch.linalg.qr(torch.randn(DIM, 3, generator=generator(k)))[0].T
    same = Regions(2 * texts[k].expand_as(f.features), f.index)
    joined = Fixed(texts, scale=100.0)(same, z).features - same.features
    torch.testing.assert_close(joined, same.features, atol=1e-4, rtol=1e-4)


@given(f=regions(), z=confounders(), other=confounders())
def test_confounders_are_not_read(f, z, other) -> None:
    for layer in (style_prompts(), learned_prompts()):
        assert torch.equal(layer(f, z).features, layer(f, other).features)


@given(f=regions())
def test_before_training_both_say_the_words(f) -> None:
    expected = written().expand(len(f.features), -1, -1)
    torch.testing.assert_close(style_prompts().texts(f.features), expected, atol=1e-5, rtol=1e-5)
    texts = learned_prompts().texts(f.features).expand_as(expected)
    torch.testing.assert_close(texts, expected, atol=1e-5, rtol=1e-5)


@given(seed=seeds)
def test_pictures_of_another_style_have_other_texts_and_of_the_same_the_same(seed) -> None:
    g, layer = generator(seed), style_prompts()
    torch.nn.init.normal_(layer.projectors.weight, std=0.3, generator=g)
    picture = torch.randn(1, 40, DIM, generator=g)
    shuffled = picture[:, torch.randperm(40, generator=g)]  # other content, the same style
    tinted = picture + 3 * torch.randn(DIM, generator=g)
    flat = picture.mean(dim=1, keepdim=True) + 0.2 * (picture - picture.mean(dim=1, keepdim=True))
    own, same, colour, contrast = layer.texts(torch.cat([picture, shuffled, tinted, flat]))
    torch.testing.assert_close(same, own, atol=1e-4, rtol=1e-4)
    assert (colour - own).abs().max() > 1e-3
    assert (contrast - own).abs().max() > 1e-3


@given(f=regions())
def test_the_style_has_a_scale_of_its_own(f) -> None:
    found = style(f.features)
    assert found.shape == (len(f.features), 2 * DIM)
    torch.testing.assert_close(found.mean(dim=-1), torch.zeros(len(found)), atol=1e-5, rtol=0)


def test_gradients_reach_the_projectors_alone() -> None:
    layer, z = style_prompts().train(), Confounders(torch.eye(DIM)[:1], torch.ones(1), ("z",))
    f = Regions(torch.randn(2, 5, DIM), torch.arange(5).expand(2, -1))
    assert {name for name, _ in layer.named_parameters()} == {
        "projectors.weight",
        "projectors.bias",
    }
    layer(f, z).features.square().sum().backward()
    assert layer.projectors.weight.grad.abs().max() > 0  # from zero, but not stuck there


def test_learned_prompts_are_saved_without_the_text_tower() -> None:
    layer = learned_prompts()
    with torch.no_grad():
        layer.context.add_(torch.randn_like(layer.context))
    state = layer.state_dict()
    assert set(state) == {"context", "embedded"}
    torch.testing.assert_close(state["embedded"], layer.embeddings())
    spec = {"name": "learned_prompts", **json.loads(json.dumps(layer.options()))}
    again = interventions.build(spec)
    again.load_state_dict(state)
    assert again.text is None
    assert not again.context.requires_grad
    assert torch.equal(again.embeddings(), layer.embeddings())
    assert torch.equal(again.state_dict()["embedded"], state["embedded"])


def test_in_half_precision_scores_and_prompts_stay_exact() -> None:
    z = Confounders(torch.eye(DIM)[:1], torch.ones(1), ("z",))
    f = Regions(torch.randn(2, 5, DIM).bfloat16(), torch.arange(5).expand(2, -1))
    exact = Regions(f.features.float(), f.index)
    for layer in (style_prompts(), learned_prompts()):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = layer(f, z).features
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found.float(), layer(exact, z).features, atol=0.05, rtol=0.02)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_scale_that_is_none(scale) -> None:
    with pytest.raises(ConfigurationError, match="scale must be > 0"):
        Fixed(written(), scale)


def test_regions_of_another_width() -> None:
    f = Regions(torch.zeros(1, 2, 8), torch.arange(2)[None])
    z = Confounders(torch.zeros(2, DIM), torch.full((2,), 0.5), ("a", "b"))
    with pytest.raises(ShapeError, match=r"expected regions \(B, N, 16\), found \(1, 2, 8\)"):
        style_prompts()(f, z)
