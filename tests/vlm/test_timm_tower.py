"""timm trunks under open_clip: tokens, convolutional maps, windows."""

from __future__ import annotations

import pytest
import torch

from deconfound.errors import ConfigurationError, UnknownNameError
from deconfound.vlm import TimmTower, VisionLanguageModel
from tests.vlm.towers import DIM, clip_of, config_of, tokenizer, vlm_of

AVERAGE = {
    "timm_model_name": "test_vit",
    "image_size": 160,
    "timm_pool": "avg",
    "timm_proj": "linear",
}
CONVOLUTIONS = {
    "timm_model_name": "test_convnext",
    "image_size": 160,
    "timm_pool": "",
    "timm_proj": "linear",
}
TRUNKS = {
    "average": AVERAGE,
    "class token": {**AVERAGE, "timm_pool": "token"},
    "attention pooler": {**AVERAGE, "timm_pool": "map", "timm_proj": ""},
    "own projection": {**AVERAGE, "timm_pool": "token", "timm_proj": ""},
    "multilayer projection": {**AVERAGE, "timm_proj": "mlp"},
    "convolutions": CONVOLUTIONS,
    "windows": {
        "timm_model_name": "swin_tiny_patch4_window7_224",
        "image_size": 224,
        "timm_pool": "",
        "timm_proj": "linear",
    },
}


@pytest.mark.parametrize("vision", TRUNKS.values(), ids=TRUNKS)
def test_pooled_is_what_open_clip_encodes(vision):
    clip = clip_of(vision)
    tower = VisionLanguageModel.from_open_clip(clip, config_of(vision), tokenizer()).tower
    assert isinstance(tower, TimmTower)
    images = torch.randn(2, 3, *tower.image_size)
    with torch.no_grad():
        found = tower(images)
        torch.testing.assert_close(found.pooled, clip.encode_image(images))
    side = tower.image_size[0] // tower.multiple
    assert found.dense.shape == (2, DIM, side, side)
    assert tuple(stage.shape[1] for stage in found.stages) == tower.stage_channels
    assert len(found.stages) == 4


def test_dense_averages_to_the_pooled_where_tokens_are_averaged():
    vision = {**AVERAGE, "timm_model_name": "vit_tiny_patch16_224", "image_size": 224}
    tower = vlm_of(vision).tower
    assert tower.visual.trunk.fc_norm.__class__.__name__ == "Identity"
    found = tower(torch.randn(1, 3, 224, 224))
    torch.testing.assert_close(found.dense.mean(dim=(2, 3)), found.pooled)


def test_dense_is_the_attention_pooler_at_one_location_alone():
    tower = vlm_of(TRUNKS["attention pooler"]).tower
    trunk, images = tower.visual.trunk, torch.randn(1, 3, 160, 160)
    tokens = trunk.forward_features(images)[:, trunk.num_prefix_tokens :]
    found = tower(images).dense.flatten(2)
    assert trunk.attn_pool is not None
    for location in (0, 7, tokens.shape[1] - 1):
        alone = trunk.attn_pool(tokens[:, location : location + 1])
        expected = tower.visual.head(trunk.head(trunk.fc_norm(alone)))
        torch.testing.assert_close(found[:, :, location], expected)


def test_dense_is_the_convolutional_head_at_one_location_alone():
    tower = vlm_of(CONVOLUTIONS).tower
    trunk, images = tower.visual.trunk, torch.randn(1, 3, 64, 96)
    maps = trunk.forward_features(images)
    found = tower(images).dense
    assert found.shape[-2:] == maps.shape[-2:] == (2, 3)
    for y in range(2):
        for x in range(3):
            alone = maps[:, :, y : y + 1, x : x + 1]
            expected = tower.visual.head(trunk.forward_head(alone))
            torch.testing.assert_close(found[:, :, y, x], expected)


@pytest.mark.parametrize("vision", [AVERAGE, CONVOLUTIONS], ids=["tokens", "convolutions"])
def test_any_size_is_read(vision):
    tower = vlm_of(vision).tower
    found = tower(torch.randn(1, 3, 75, 101))
    assert found.dense.shape[-2:] == tower.grid_size(75, 101)
    assert torch.isfinite(found.dense).all()


def test_tokens_keep_their_size_and_convolutions_take_any_multiple():
    assert vlm_of(AVERAGE).tower.input_size(75, 101) == (160, 160)
    assert vlm_of(CONVOLUTIONS).tower.input_size(75, 101) == (64, 96)


def test_patches_are_never_dropped():
    tower = vlm_of({**AVERAGE, "patch_dropout": 0.5}).tower
    images = torch.randn(1, 3, 160, 160)
    evaluated = tower(images).dense
    torch.testing.assert_close(tower.train()(images).dense, evaluated)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timm_pool": "abs_attn", "timm_proj": ""}, "attends with positions of the whole map"),
        ({"timm_pool": "rot_attn", "timm_proj": ""}, "attends with positions of the whole map"),
        ({"timm_model_name": "test_resnet", "timm_pool": "avg"}, "has none of blocks, stages"),
    ],
)
def test_what_cannot_be_projected_is_refused_with_the_reason(change, reason):
    with pytest.raises(ConfigurationError, match=reason):
        vlm_of({**CONVOLUTIONS, **change})


def test_auto_masks_the_last_block_only_where_a_class_token_alone_was_aligned():
    chosen = {name: vlm_of(vision).tower.dense for name, vision in TRUNKS.items()}
    masked = {name for name, dense in chosen.items() if dense == "maskclip"}
    assert masked == {"class token", "own projection"}


@pytest.mark.parametrize("name", ["test_vit", "eva02_tiny_patch14_224"])
def test_maskclip_is_the_value_path_of_the_last_block(name):
    size = 160 if name == "test_vit" else 224
    vision = {**AVERAGE, "timm_model_name": name, "image_size": size, "timm_pool": "token"}
    tower = vlm_of(vision).tower
    trunk, images = tower.visual.trunk, torch.randn(1, 3, size, size)
    hidden = trunk.forward_intermediates(
        images, indices=[len(trunk.blocks) - 2], output_fmt="NLC", intermediates_only=True
    )[0]
    block = trunk.blocks[-1]
    for location in (0, 5, hidden.shape[1] - 1):
        # A sequence of one token can attend to nothing but itself.
        alone = trunk.norm(block(hidden[:, location : location + 1]))
        expected = tower.visual.head(trunk.head(trunk.fc_norm(alone)))[:, 0]
        torch.testing.assert_close(tower(images).dense.flatten(2)[:, :, location], expected)


def test_variants_that_the_trunk_does_not_have_are_refused():
    with pytest.raises(UnknownNameError, match="dense variant of TimmTower 'nacl'"):
        vlm_of(AVERAGE, "nacl")
    with pytest.raises(ConfigurationError, match="take no attention mask, so dense='maskclip'"):
        vlm_of(CONVOLUTIONS, "maskclip")
