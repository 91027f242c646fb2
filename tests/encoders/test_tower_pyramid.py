"""The pyramid: exact sizes for any image, ResNets untouched, detail for transformers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.encoders import TowerPyramid
from deconfound.errors import ConfigurationError, ShapeError, UnknownNameError
from tests.tiny import tiny_vlm

VIT_STAGES = (6, 7, 8, 9)
RESNET_STAGES = (4, 8, 16, 32, 64)


def vit_stages(batch: int, h: int, w: int) -> list[torch.Tensor]:
    return [torch.randn(batch, channels, h, w) for channels in VIT_STAGES]


def resnet_stages(height: int, width: int) -> list[torch.Tensor]:
    return [
        torch.randn(2, channels, height // 2**i, width // 2**i)
        for i, channels in enumerate(RESNET_STAGES, start=1)
    ]


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    grid=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    output_stride=st.sampled_from([4, 8, 16, 32]),
)
def test_maps_have_exactly_the_size_of_their_stride(height, width, grid, output_stride):
    pyramid = TowerPyramid(VIT_STAGES)
    pyramid.set_output_stride(output_stride)
    images = torch.randn(1, 3, height, width)
    maps = pyramid(images, vit_stages(1, *grid))
    assert maps[0] is images
    assert tuple(each.shape[1] for each in maps) == pyramid.out_channels
    assert pyramid.strides == tuple(min(s, output_stride) for s in (1, 2, 4, 8, 16, 32))
    for each, stride in zip(maps, pyramid.strides, strict=True):
        assert each.shape[2:] == (math.ceil(height / stride), math.ceil(width / stride))


def test_resnet_stages_pass_through_as_the_very_tensors():
    pyramid = TowerPyramid(RESNET_STAGES, "resnet")
    stages = resnet_stages(64, 96)
    maps = pyramid(torch.randn(2, 3, 64, 96), stages)
    assert all(a is b for a, b in zip(maps[1:], stages, strict=True))
    assert pyramid.out_channels == (3, *RESNET_STAGES)
    assert not list(pyramid.parameters())


def test_a_dilated_decoder_gets_only_the_deep_levels_resampled():
    pyramid = TowerPyramid(RESNET_STAGES, "resnet")
    pyramid.set_output_stride(8)
    stages = resnet_stages(64, 64)
    maps = pyramid(torch.randn(2, 3, 64, 64), stages)
    assert all(a is b for a, b in zip(maps[1:4], stages[:3], strict=True))
    assert [tuple(each.shape[1:]) for each in maps[4:]] == [(32, 8, 8), (64, 8, 8)]


@pytest.mark.parametrize("kind", ["vit", "vit14", "resnet"])
def test_it_fits_a_tower(kind):
    tower = tiny_vlm(kind).tower
    pyramid = TowerPyramid.for_tower(tower)
    images = torch.randn(1, 3, 64, 96)
    maps = pyramid(images, tower(images).stages)
    assert [tuple(each.shape) for each in maps] == [
        (1, channels, 64 // 2**i, 96 // 2**i) for i, channels in enumerate(pyramid.out_channels)
    ]


def test_channels_can_be_chosen():
    chosen = (3, 4, 5, 6, 7, 8)
    pyramid = TowerPyramid(VIT_STAGES, out_channels=chosen)
    maps = pyramid(torch.randn(1, 3, 32, 32), vit_stages(1, 2, 2))
    assert tuple(each.shape[1] for each in maps) == chosen == pyramid.out_channels


def test_the_stem_gives_the_two_finest_levels_the_images_own_detail():
    stages = vit_stages(1, 2, 2)
    images, others = torch.randn(2, 1, 3, 32, 32)
    pyramid = TowerPyramid(VIT_STAGES)
    pairs = zip(pyramid(images, stages)[1:], pyramid(others, stages)[1:], strict=True)
    differ = [not torch.equal(a, b) for a, b in pairs]
    assert differ == [True, True, False, False, False]


def test_every_parameter_takes_a_gradient_and_so_does_every_stage():
    pyramid = TowerPyramid(VIT_STAGES)
    stages = [stage.requires_grad_() for stage in vit_stages(2, 3, 3)]
    maps = pyramid(torch.randn(2, 3, 40, 40), stages)
    sum(each.square().mean() for each in maps[1:]).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in pyramid.parameters())
    assert all(stage.grad is not None for stage in stages)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_a_decoder_of_less_depth_leaves_no_parameter_without_a_gradient(depth):
    pyramid = TowerPyramid(VIT_STAGES)
    stages, images = vit_stages(1, 2, 2), torch.randn(1, 3, 32, 32)
    whole = pyramid(images, stages)
    pyramid.set_depth(depth)
    maps = pyramid(images, stages)
    assert len(maps) == depth + 1 == len(pyramid.out_channels) == len(pyramid.strides)
    assert all(torch.equal(a, b) for a, b in zip(maps, whole, strict=False))
    sum(each.square().mean() for each in maps[1:]).backward()
    assert all(p.grad is not None for p in pyramid.parameters())


def test_a_batch_is_its_images_one_by_one():
    pyramid = TowerPyramid(VIT_STAGES)
    images, stages = torch.randn(3, 3, 32, 32), vit_stages(3, 4, 4)
    together = pyramid(images, stages)
    for i in range(3):
        alone = pyramid(images[i : i + 1], [stage[i : i + 1] for stage in stages])
        for a, b in zip(alone, together, strict=True):
            torch.testing.assert_close(a[0], b[i])


def test_it_compiles_to_one_graph():
    pyramid = TowerPyramid(VIT_STAGES)
    images, stages = torch.randn(1, 3, 32, 32), vit_stages(1, 2, 2)
    compiled = torch.compile(pyramid, fullgraph=True, backend="eager")(images, stages)
    for a, b in zip(compiled, pyramid(images, stages), strict=True):
        torch.testing.assert_close(a, b)


def test_weights_travel_in_the_state_dict():
    one, other = TowerPyramid(VIT_STAGES), TowerPyramid(VIT_STAGES)
    other.load_state_dict(one.state_dict())
    images, stages = torch.randn(1, 3, 32, 32), vit_stages(1, 2, 2)
    pairs = zip(one(images, stages), other(images, stages), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((VIT_STAGES, "resnet"), "a resnet pyramid expects 5 stages, got 4"),
        ((RESNET_STAGES, "vit"), "a vit pyramid expects 4 stages, got 5"),
        ((VIT_STAGES, "vit", (3, 4, 5)), r"expected 3 and five widths, got \(3, 4, 5\)"),
        ((VIT_STAGES, "vit", (1, 4, 5, 6, 7, 8)), "expected 3 and five widths"),
        ((VIT_STAGES, "vit", (3, 4, 5, 6, 7, 0)), "expected 3 and five widths"),
        ((RESNET_STAGES, "resnet", (3, 1, 1, 1, 1, 1)), "passes its stages through: out_channels"),
    ],
)
def test_channels_that_do_not_fit_are_refused(arguments, reason):
    with pytest.raises(ConfigurationError, match=reason):
        TowerPyramid(*arguments)


def test_a_mistyped_kind_is_answered_with_the_near_one():
    with pytest.raises(UnknownNameError, match="'resnt'; did you mean resnet"):
        TowerPyramid(VIT_STAGES, "resnt")


def test_stages_of_another_tower_are_refused():
    with pytest.raises(ShapeError, match=r"stages with \(6, 7, 8, 9\) channels, got \(4, 8, 16,"):
        TowerPyramid(VIT_STAGES)(torch.randn(2, 3, 64, 64), resnet_stages(64, 64))


@pytest.mark.parametrize("stride", [0, 2, 12, 64])
def test_another_output_stride_is_refused(stride):
    with pytest.raises(ConfigurationError, match=f"expected 4, 8, 16 or 32, got {stride}"):
        TowerPyramid(VIT_STAGES).set_output_stride(stride)


def test_a_depth_that_is_not_there_is_refused():
    pyramid = TowerPyramid(VIT_STAGES)
    pyramid.set_depth(3)
    for depth in (0, 4, 6):
        with pytest.raises(ConfigurationError, match=f"expected 1 to 3, got {depth}"):
            pyramid.set_depth(depth)
