"""Names of pretrained models: activations agree, mistypings are answered, nothing is downloaded."""

from __future__ import annotations

import open_clip
import pytest
from open_clip.pretrained import get_pretrained_cfg

from deconfound.errors import ConfigurationError, UnknownNameError
from deconfound.vlm.names import resolve_name


@pytest.mark.parametrize(
    ("name", "resolved"),
    [
        ("ViT-L-14/openai", "ViT-L-14-quickgelu/openai"),
        ("ViT-B-16/openai", "ViT-B-16-quickgelu/openai"),
        ("ViT-B-16-quickgelu/openai", "ViT-B-16-quickgelu/openai"),
        ("RN50/openai", "RN50-quickgelu/openai"),
        ("ViT-L-14/laion2b_s32b_b82k", "ViT-L-14/laion2b_s32b_b82k"),
        ("ViT-L-14/laion2b-s32b-b82k", "ViT-L-14/laion2b-s32b-b82k"),
        ("ViT-B-16-SigLIP/webli", "ViT-B-16-SigLIP/webli"),
    ],
)
def test_the_architecture_is_the_one_the_tag_was_trained_with(name, resolved):
    found = resolve_name(name)
    assert str(found) == resolved
    assert found.published == get_pretrained_cfg(found.architecture, found.tag)


@pytest.mark.parametrize(("architecture", "tag"), open_clip.list_pretrained())
def test_no_published_weights_meet_the_wrong_activation(architecture, tag):
    try:
        found = resolve_name(f"{architecture}/{tag}")
    except ConfigurationError as error:
        assert "QuickGELU mismatch" in str(error)  # noqa: PT017 (either outcome is checked)
        assert architecture == "roberta-ViT-B-32"
    else:
        quick = found.published.get("quick_gelu", False)
        assert found.model_cfg.get("quick_gelu", False) == quick


def test_the_wrong_activation_is_an_error_that_names_the_right_one():
    with pytest.raises(ConfigurationError) as caught:
        resolve_name("ViT-L-14-quickgelu/laion2b_s32b_b82k")
    assert str(caught.value) == (
        "QuickGELU mismatch in 'ViT-L-14-quickgelu/laion2b_s32b_b82k': the weights were trained "
        "with GELU, the architecture computes QuickGELU; use 'ViT-L-14/laion2b_s32b_b82k'"
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("ViT-L14/openai", "ViT-L-14"),
        ("vit-b-16/openai", "ViT-B-16"),
        ("RN-50/openai", "RN50"),
        ("mimi", "mini"),
    ],
)
def test_a_mistyped_architecture_is_answered_with_the_near_ones(name, near):
    with pytest.raises(UnknownNameError, match=f"did you mean.*{near}"):
        resolve_name(name)


@pytest.mark.parametrize(
    ("name", "near"),
    [("ViT-L-14/opnai", "openai"), ("ViT-L-14/laion2b_s32b_b82", "laion2b_s32b_b82k")],
)
def test_a_mistyped_tag_is_answered_with_the_near_ones(name, near):
    with pytest.raises(UnknownNameError, match=f"tag of ViT-L-14 .*did you mean.*{near}"):
        resolve_name(name)


def test_a_name_like_no_other_is_answered_with_the_ways_to_say_one():
    with pytest.raises(UnknownNameError, match="expected 'mini', an architecture and tag"):
        resolve_name("zzzzqqqq/openai")


def test_a_name_without_a_tag_is_answered_with_its_tags():
    with pytest.raises(
        ConfigurationError, match=r"'RN50' names no pretrained weights; use .*RN50/o"
    ):
        resolve_name("RN50")
