"""open_clip's ResNets: the attention pool followed for the image and for each location."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from deconfound.errors import UnknownNameError
from deconfound.vlm import ResNetTower, VisionLanguageModel
from tests.vlm.towers import RESNET, clip_of, config_of, images_for, vlm_of


def test_pooled_is_what_open_clip_encodes():
    clip = clip_of(RESNET)
    vlm = VisionLanguageModel.from_open_clip(clip, config_of(RESNET))
    images = images_for(vlm)
    with torch.no_grad():
        torch.testing.assert_close(vlm.tower(images).pooled, clip.encode_image(images))


def test_stages_are_the_stem_and_the_four_layers():
    vlm = vlm_of(RESNET)
    images = images_for(vlm)
    with torch.no_grad():
        stages = vlm.tower(images).stages
        layers = vlm.tower.visual.forward_intermediates(images)["image_intermediates"]
    assert [tuple(stage.shape[1:]) for stage in stages] == [
        (channels, 64 // 2**i, 64 // 2**i)
        for i, channels in enumerate(vlm.tower.stage_channels, start=1)
    ]
    torch.testing.assert_close(vlm.tower.visual.avgpool(stages[0]), layers[0])
    for stage, expected in zip(stages[1:], layers[1:], strict=True):
        torch.testing.assert_close(stage, expected)


def test_dense_is_the_value_path_as_pointwise_convolutions():
    vlm = vlm_of(RESNET)
    pool = vlm.tower.visual.attnpool
    found = vlm.tower(images_for(vlm))
    convolutions = nn.Sequential()
    for linear in (pool.v_proj, pool.c_proj):
        convolution = nn.Conv2d(linear.in_features, linear.out_features, 1)
        convolution.weight.data = linear.weight.data[:, :, None, None]
        convolution.bias.data = linear.bias.data
        convolutions.append(convolution)
    torch.testing.assert_close(found.dense, convolutions(found.stages[-1]))


def test_dense_averages_to_the_pooled_where_attention_is_uniform():
    vlm = vlm_of(RESNET)
    pool = vlm.tower.visual.attnpool
    with torch.no_grad():
        pool.positional_embedding.zero_()
        for linear in (pool.q_proj, pool.k_proj):
            linear.weight.zero_()
            linear.bias.zero_()
        found = vlm.tower(images_for(vlm))
    torch.testing.assert_close(found.dense.mean(dim=(2, 3)), found.pooled)


@given(height=st.integers(20, 110), width=st.integers(20, 110))
def test_any_size_is_read_at_the_nearest_multiple_of_32(height, width):
    vlm = vlm_of(RESNET)
    with torch.no_grad():
        found = vlm.tower(torch.randn(1, 3, height, width))
    grid = vlm.tower.grid_size(height, width)
    assert found.dense.shape[-2:] == grid
    assert found.stages[0].shape[-2:] == (16 * grid[0], 16 * grid[1])
    assert torch.isfinite(found.pooled).all()


def test_there_is_one_dense_variant():
    vlm = vlm_of(RESNET)
    assert isinstance(vlm.tower, ResNetTower)
    assert vlm.tower.dense == "maskclip"
    with pytest.raises(UnknownNameError, match="dense variant of ResNetTower 'nacl'"):
        vlm.with_dense("nacl")


def test_it_compiles_to_one_graph():
    tower = vlm_of(RESNET).tower
    images = torch.randn(1, 3, 64, 64)
    compiled = torch.compile(tower, fullgraph=True, backend="eager")(images)
    torch.testing.assert_close(compiled.dense, tower(images).dense)
