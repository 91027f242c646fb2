"""Learned dictionaries: where they start, and that they move."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound import CausalSegmenter
from deconfound.dictionaries import ConfounderDictionary, LearnedDictionary
from deconfound.errors import ConfigurationError, ShapeError, UnknownNameError
from deconfound.testing import ConfounderDictionaryContract
from deconfound.testing.strategies import generator, seeds
from tests.tiny import tiny_vlm

NAMES = ("blur", "blood", "nbi")
TEXT = torch.nn.functional.normalize(torch.randn(3, 8, generator=generator(0)), dim=-1)


class TestNormal(ConfounderDictionaryContract):
    def make(self) -> ConfounderDictionary:
        return LearnedDictionary(8, size=4)


class TestText(ConfounderDictionaryContract):
    def make(self) -> ConfounderDictionary:
        return LearnedDictionary(8, start="text", names=NAMES, embeddings=TEXT)


class TestLearnedPrior(ConfounderDictionaryContract):
    def make(self) -> ConfounderDictionary:
        dictionary = LearnedDictionary(8, size=3, learn_prior=True)
        with torch.no_grad():
            dictionary.prior_logits.copy_(torch.tensor([0.0, 1.0, -2.0]))
        return dictionary


def test_a_start_as_text_is_the_text() -> None:
    z = LearnedDictionary(8, start="text", names=NAMES, embeddings=TEXT)()
    assert torch.equal(z.embeddings, TEXT)
    assert z.names == NAMES
    assert z.prior.tolist() == pytest.approx([1 / 3] * 3)


@given(seed=seeds, size=st.integers(1, 20))
def test_a_random_start_follows_from_its_seed_alone(seed, size) -> None:
    first = LearnedDictionary(8, size, seed=seed)()
    torch.rand(7)
    assert torch.equal(LearnedDictionary(8, size, seed=seed)().embeddings, first.embeddings)
    assert not torch.equal(LearnedDictionary(8, size, seed=seed + 1)().embeddings, first.embeddings)


def test_a_random_start_is_about_as_long_as_text() -> None:
    lengths = LearnedDictionary(256, 200)().embeddings.norm(dim=-1)
    assert lengths.mean().item() == pytest.approx(1, abs=0.02)


def trained(**options) -> tuple[CausalSegmenter, dict[str, torch.Tensor]]:
    """Take three steps: fusion and FiLM start at zero, and the dictionary learns behind them."""
    model = CausalSegmenter(
        vlm=tiny_vlm(),
        dictionary={"name": "learned", **options},
        intervention="film",
    )
    before = copy.deepcopy(model.dictionary.state_dict())
    optimizer = torch.optim.Adam(model.parameter_groups(lr=0.01))
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(2, 3, 64, 64)).square().mean().backward()
        optimizer.step()
    return model, before


@pytest.mark.parametrize("learn_prior", [False, True])
def test_training_moves_what_is_to_be_learned(learn_prior, tmp_path) -> None:
    model, before = trained(start="text", learn_prior=learn_prior)
    after = model.dictionary.state_dict()
    assert after["embeddings"].isfinite().all()
    assert not torch.equal(after["embeddings"], before["embeddings"])
    assert torch.equal(after["prior_logits"], before["prior_logits"]) is not learn_prior
    assert model.dictionary().names == model.pack.confounder_names
    model.eval().save_pretrained(tmp_path)
    again = CausalSegmenter.from_pretrained(tmp_path)
    assert torch.equal(again.dictionary().embeddings, after["embeddings"])
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(again(images), model(images))


def test_the_size_is_not_bound_to_the_pack() -> None:
    model = CausalSegmenter(vlm=tiny_vlm(), dictionary={"name": "learned", "size": 5})
    assert model.explain(torch.randn(1, 3, 64, 64)).intervened.weights.shape[-1] == 5


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"size": 0}, ConfigurationError, "one vector or more, found 0"),
        ({"start": "text"}, ConfigurationError, "starts as text needs names, found none"),
        ({"start": "txt"}, UnknownNameError, "did you mean text"),
        (
            {"start": "text", "names": NAMES, "embeddings": torch.ones(2, 8)},
            ShapeError,
            r"expected embeddings of shape \(3, 8\), one row per name, found \(2, 8\)",
        ),
    ],
)
def test_every_mistake_is_one_sentence(options, error, message) -> None:
    with pytest.raises(error, match=message):
        LearnedDictionary(8, **options)
