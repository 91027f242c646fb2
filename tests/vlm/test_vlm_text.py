"""Text in the joint space, and how a ready open_clip model is wrapped."""

from __future__ import annotations

import math

import open_clip
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from deconfound.errors import ConfigurationError, UnknownNameError
from deconfound.vlm import VisionLanguageModel, VisionTower, load, text
from tests.vlm.towers import DIM, RESNET, VIT, clip_of, config_of, tokenizer, vlm_of

PROMPTS = ["a polyp in an endoscopic image", "mucus", "far view of a cyst"]


def test_text_is_what_open_clip_encodes_normalised():
    clip = clip_of(VIT)
    vlm = VisionLanguageModel.from_open_clip(clip, config_of(VIT))
    found = vlm.encode_text(PROMPTS)
    with torch.no_grad():
        expected = F.normalize(clip.encode_text(tokenizer()(PROMPTS)), dim=-1)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(3))
    assert found.dtype == torch.float32
    assert not found.requires_grad


def test_prompts_are_encoded_in_batches_without_a_difference(monkeypatch):
    vlm = vlm_of(VIT)
    expected = vlm.encode_text(PROMPTS)
    monkeypatch.setattr(text, "BATCH", 2)
    torch.testing.assert_close(vlm.encode_text(PROMPTS), expected)


def test_no_prompt_is_no_row():
    assert vlm_of(VIT).encode_text([]).shape == (0, DIM)


def test_tokens_are_counted_with_start_and_end():
    vlm = vlm_of(VIT)
    for prompt in PROMPTS:
        row = tokenizer()([prompt])[0]
        assert vlm.count_tokens(prompt) == int((row != 0).sum())
    assert vlm.context_length == 16


def test_tokens_of_other_tokenizers_are_counted_by_the_tokenizer_inside():
    class Inner:
        def __call__(self, prompt: str) -> dict[str, list[int]]:
            return {"input_ids": [1, *map(ord, prompt), 2]}

    class Outer:
        tokenizer, context_length = Inner(), 9
        clean_fn = staticmethod(str.strip)

        def __call__(self, prompts: list[str]) -> torch.Tensor:
            raise NotImplementedError

    vlm = VisionLanguageModel.from_open_clip(clip_of(VIT), config_of(VIT), Outer())
    assert vlm.count_tokens(" abc ") == 5
    assert vlm.context_length == 9
    with pytest.raises(ConfigurationError, match="takes 10 tokens, but CLIP reads at most 9"):
        vlm.encode_text(["abcdefgh"])


def test_a_tokenizer_that_cannot_be_counted_is_refused_when_counting():
    vlm = VisionLanguageModel.from_open_clip(
        clip_of(VIT), config_of(VIT), lambda prompts: tokenizer()(prompts)
    )
    with pytest.raises(ConfigurationError, match=r"neither `encode` nor `tokenizer`"):
        vlm.count_tokens("a polyp")


def test_a_prompt_that_would_be_cut_is_refused():
    with pytest.raises(ConfigurationError, match=r"takes 22 tokens, but CLIP reads at most 16"):
        vlm_of(VIT).encode_text(["polyp", "a " * 20])


def test_a_bare_text_is_refused():
    with pytest.raises(ConfigurationError, match="expects a list of prompts, got the text 'polyp'"):
        vlm_of(VIT).encode_text("polyp")


def test_the_logit_scale_is_the_multiplier():
    vlm = vlm_of(VIT)
    assert vlm.logit_scale == pytest.approx(1 / 0.07)
    assert vlm_of(VIT, init_logit_scale=math.log(5.0), nonscalar_logit_scale=True).logit_scale == (
        pytest.approx(5.0)
    )
    assert vlm.embed_dim == DIM


def test_training_the_tower_leaves_the_text_in_evaluation():
    clip = clip_of(RESNET).train()
    vlm = VisionLanguageModel.from_open_clip(clip, config_of(RESNET))
    vlm.tower.train()
    assert vlm.tower.visual.bn1.training
    assert not clip.ln_final.training


def test_the_tower_holds_no_text():
    vlm = vlm_of(VIT)
    assert not isinstance(vlm, nn.Module)
    assert all(name.startswith("visual.") for name in vlm.tower.state_dict())


def test_a_configuration_without_its_parts_is_named():
    with pytest.raises(ConfigurationError, match="lacks embed_dim, vision_cfg, text_cfg"):
        VisionLanguageModel.from_open_clip(clip_of(VIT), {"x": 1})


def test_a_configuration_of_another_model_is_refused():
    with pytest.raises(
        ConfigurationError, match=r"does not describe this model: expected visual\."
    ):
        VisionLanguageModel.from_open_clip(clip_of(VIT), config_of({**VIT, "width": 64}))
    with pytest.raises(ConfigurationError, match="found nothing; pass the one it was built from"):
        VisionLanguageModel.from_open_clip(clip_of(VIT), config_of({**VIT, "layers": 4}))


@pytest.mark.parametrize("quick", [False, True])
def test_the_wrong_activation_is_an_error(quick):
    clip = clip_of(VIT, quick_gelu=quick)
    VisionLanguageModel.from_open_clip(clip, config_of(VIT, quick_gelu=quick), tokenizer())
    with pytest.raises(ConfigurationError, match=f"QuickGELU mismatch.*quick_gelu={not quick}"):
        VisionLanguageModel.from_open_clip(clip, config_of(VIT, quick_gelu=not quick))


def test_a_mistyped_architecture_is_answered_with_the_near_ones():
    with pytest.raises(UnknownNameError, match="open_clip architecture 'ViT-B-61'; did you mean"):
        VisionLanguageModel.from_open_clip(clip_of(VIT), "ViT-B-61")


def test_a_known_architecture_needs_only_its_name(monkeypatch):
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny-ViT", config_of(VIT))
    vlm = VisionLanguageModel.from_open_clip(clip_of(VIT), "Tiny-ViT")
    assert vlm.name == "Tiny-ViT"
    assert vlm.context_length == 16


def test_a_tokenizer_of_another_library_must_be_given():
    config = config_of(VIT)
    config["text_cfg"] = {**config["text_cfg"], "hf_tokenizer_name": "some/bert"}
    with pytest.raises(ConfigurationError, match="reads text with 'some/bert'; pass it as"):
        VisionLanguageModel.from_open_clip(clip_of(VIT), config)


def test_without_text_the_tower_waits_for_its_weights_and_text_is_no_number():
    vlm = vlm_of(VIT)
    empty = VisionLanguageModel.without_text(vlm.tower.spec)
    empty.tower.load_state_dict(vlm.tower.state_dict())
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(empty.tower(images).dense, vlm.tower(images).dense)
    assert empty.encode_text(PROMPTS).shape == (3, DIM)
    assert empty.encode_text(PROMPTS).isnan().all()
    assert empty.count_tokens("a " * 99) <= empty.context_length
    assert math.isnan(empty.logit_scale)


def test_a_ready_model_is_returned_as_it_is_or_with_another_variant():
    vlm = vlm_of(VIT)
    assert load(vlm) is vlm
    assert load(vlm, "maskclip") is vlm
    other = load(vlm, "nacl")
    assert (other.tower.dense, vlm.tower.dense) == ("nacl", "maskclip")
    assert other.text is vlm.text


def test_no_tower_for_a_module_of_another_library():
    with pytest.raises(ConfigurationError, match="vision tower Linear cannot be read"):
        VisionTower.from_visual(nn.Linear(2, 2), vlm_of(VIT).tower.spec)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"vision_cfg": {"depth": 3}}, "open_clip cannot build CLIP .*'depth'"),
        ({"vision_cfg": {**VIT, "width": 33}}, "open_clip cannot build CLIP"),
    ],
)
def test_a_configuration_that_open_clip_cannot_build_is_one_sentence(change, reason):
    from deconfound.vlm.architecture import build_clip

    with pytest.raises(ConfigurationError, match=reason) as caught:
        build_clip({**config_of(VIT), **change})
    assert "\n" not in str(caught.value)


def test_a_configuration_without_a_key_is_refused():
    from deconfound.vlm.architecture import build_clip

    with pytest.raises(ConfigurationError, match="lacks embed_dim, text_cfg"):
        build_clip({"vision_cfg": VIT})
