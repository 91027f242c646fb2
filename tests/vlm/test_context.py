"""Learned vectors among the words of a sentence: that of real words is what open_clip encodes."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.testing.strategies import generator, seeds
from deconfound.vlm import VisionLanguageModel, load
from deconfound.vlm.architecture import build_clip
from deconfound.vlm.context import ContextText, word_vectors
from tests.vlm.towers import CUSTOM, DIM, TEXT, VIT, tokenizer

WORDS = "a photo of a"
SENTENCES = ["polyp", "normal tissue", "inflammation"]
TOWERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "pooled at the end's id": {"pool_type": "eos", "eos_id": 49407},
    "projection with a bias": {"proj_bias": True},
    "no projection": {"proj_type": "none", "width": DIM},
    "layer scale, two blocks": {"ls_init_value": 0.3, "layers": 2},
    "custom blocks": CUSTOM,
    "other norm": {"norm_kwargs": {"eps": 0.1}},
}


@cache
def vlm_with(tower: str = "plain", **model: Any) -> VisionLanguageModel:
    config = {"embed_dim": DIM, "vision_cfg": VIT, "text_cfg": {**TEXT, **TOWERS[tower]}, **model}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clip = build_clip(config)
        for parameter in clip.parameters():  # biases and scales would start at zero and one
            torch.nn.init.normal_(parameter, std=0.3)
    return VisionLanguageModel.from_open_clip(clip, config, tokenizer())


def says_the_same(vlm: VisionLanguageModel) -> None:
    vectors = word_vectors(vlm, WORDS)
    found = ContextText.of(vlm, SENTENCES, len(vectors))(vectors)
    written = vlm.encode_text([f"{WORDS} {sentence}" for sentence in SENTENCES])
    torch.testing.assert_close(found, written, atol=1e-5, rtol=1e-5)
    assert (written[0] - written[1]).abs().max() > 1e-3


@pytest.mark.parametrize("custom", [False, True])
@pytest.mark.parametrize("tower", TOWERS)
def test_vectors_of_words_say_what_the_words_say(tower: str, custom: bool) -> None:
    vlm = vlm_with(tower, custom_text=custom)
    assert type(vlm.text.clip).__name__ == ("CustomTextCLIP" if custom else "CLIP")
    says_the_same(vlm)


def test_so_they_do_with_the_other_activation_and_in_mini() -> None:
    says_the_same(vlm_with(quick_gelu=True))
    says_the_same(load("mini"))


@given(seed=seeds, m=st.integers(0, 5))
def test_a_batch_of_contexts_is_each_by_itself(seed: int, m: int) -> None:
    text = ContextText.of(vlm_with(), SENTENCES, m)
    contexts = torch.randn(2, 3, m, text.width, generator=generator(seed))
    together = text(contexts)
    assert together.shape == (2, 3, len(SENTENCES), DIM)
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(2, 3, len(SENTENCES)))
    torch.testing.assert_close(together[1, 2], text(contexts[1, 2]), atol=1e-5, rtol=1e-5)


@given(seed=seeds)
def test_a_sentence_is_the_same_beside_longer_ones(seed: int) -> None:
    context = torch.randn(4, TEXT["width"], generator=generator(seed))
    among = ContextText.of(vlm_with(), SENTENCES, 4)(context)
    alone = ContextText.of(vlm_with(), SENTENCES[:1], 4)(context)
    torch.testing.assert_close(among[:1], alone, atol=1e-5, rtol=1e-5)


def test_gradients_reach_the_context_and_nothing_else() -> None:
    vlm = vlm_with()
    before = {k: v.clone() for k, v in vlm.text.clip.state_dict().items()}
    text = ContextText.of(vlm, SENTENCES, 4).requires_grad_(True)
    context = word_vectors(vlm, WORDS).requires_grad_()
    assert not list(text.parameters())
    optimizer = torch.optim.SGD([context], lr=1.0)
    text(context)[:, 0].sum().backward()
    optimizer.step()
    assert (context.grad.norm(dim=-1) > 0).all()
    after = vlm.text.clip.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert all(p.requires_grad and p.grad is None for p in vlm.text.clip.parameters())


def test_with_and_without_gradient_and_mode_the_embedding_is_one() -> None:
    text, context = ContextText.of(vlm_with(), SENTENCES, 4), torch.randn(4, TEXT["width"])
    trained = text.train()(context.requires_grad_())
    with torch.no_grad():
        assert torch.equal(text.eval()(context), trained)


def test_the_rest_of_the_program_draws_as_if_no_tower_was_built() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    ContextText.of(vlm_with(), SENTENCES, 4)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("tower", ["plain", "projection with a bias", "custom blocks"])
def test_it_is_built_again_from_its_options_and_filled(tower: str) -> None:
    text = ContextText.of(vlm_with(tower), SENTENCES, 4)
    again = ContextText(**json.loads(json.dumps(text.options())))
    again.load_state_dict(text.state_dict())
    context = torch.randn(4, text.width)
    assert torch.equal(again(context), text(context))
    assert all(49408 not in buffer.shape for buffer in text.buffers())  # no vocabulary in it


def test_what_is_not_persistent_moves_and_is_not_saved() -> None:
    text = ContextText.of(vlm_with(), SENTENCES, 4, persistent=False)
    assert text.state_dict() == {}
    assert all(buffer.is_meta for buffer in text.to("meta").buffers())


def test_half_precision_leaves_prompts_exact() -> None:
    text, context = ContextText.of(vlm_with(), SENTENCES, 4), torch.randn(4, TEXT["width"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(text(context), text(context.float()))
        found = text(context)
    assert torch.equal(found, text(context))


def test_a_sentence_too_long_for_its_context_is_refused() -> None:
    ContextText.of(vlm_with(), SENTENCES, 12)
    with pytest.raises(ConfigurationError, match="takes 17 tokens behind 13 context vectors"):
        ContextText.of(vlm_with(), SENTENCES, 13)


@pytest.mark.parametrize("shape", [(4, 15), (16,), (13, 16)])
def test_vectors_that_do_not_fit(shape: tuple[int, ...]) -> None:
    text = ContextText.of(vlm_with(), SENTENCES, 4)
    with pytest.raises(ShapeError, match=r"expected vectors \(…, m ≤ 12, 16\), found"):
        text(torch.zeros(shape))


def test_no_word_is_no_start() -> None:
    with pytest.raises(ConfigurationError, match="expected words to start from, found ''"):
        word_vectors(vlm_with(), "")


@pytest.mark.parametrize(
    ("text_cfg", "reason"),
    [
        ({"hf_model_name": "some/bert"}, "reads text with 'some/bert' of another library"),
        ({"pool_type": "last"}, "reads from left to right and is pooled at the end token"),
        ({"no_causal_mask": True}, "reads from left to right and is pooled at the end token"),
        ({"embed_cls": True}, "reads from left to right and is pooled at the end token"),
    ],
)
def test_other_text_towers_are_refused_in_one_sentence(text_cfg, reason, monkeypatch) -> None:
    vlm = vlm_with()
    changed = {**vlm.text.model_cfg, "text_cfg": {**TEXT, **text_cfg}}
    monkeypatch.setattr(vlm.text, "model_cfg", changed)
    for ask in (lambda: word_vectors(vlm, WORDS), lambda: ContextText.of(vlm, SENTENCES, 4)):
        with pytest.raises(ConfigurationError, match=reason):
            ask()


def test_no_text_tower_no_context() -> None:
    without = VisionLanguageModel.without_text(vlm_with().tower.spec)
    with pytest.raises(ConfigurationError, match=r"needs the text tower .* found AbsentText"):
        word_vectors(without, WORDS)


def test_a_tokenizer_without_a_start_is_refused(monkeypatch) -> None:
    vlm = vlm_with()
    inner = vlm.text.tokenizer

    class Bare:
        context_length = inner.context_length
        encode = staticmethod(inner.encode)

        def __call__(self, prompts):
            return inner(prompts)[:, 1:]

    monkeypatch.setattr(vlm.text, "tokenizer", Bare())
    with pytest.raises(ConfigurationError, match="stands behind the start token"):
        word_vectors(vlm, WORDS)


def test_a_configuration_of_another_text_tower_is_refused(monkeypatch) -> None:
    vlm = vlm_with()
    monkeypatch.setattr(
        vlm.text, "model_cfg", {**vlm.text.model_cfg, "text_cfg": {**TEXT, "layers": 2}}
    )
    with pytest.raises(ConfigurationError, match="does not describe its text tower: expected"):
        ContextText.of(vlm, SENTENCES, 4)
