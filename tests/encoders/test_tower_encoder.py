"""A vision tower as an encoder inside SMP's own models."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.encoders import encoders
from segmentation_models_pytorch.encoders._base import EncoderMixin

from deconfound.decoders import ARCHITECTURES
from deconfound.encoders import TowerEncoder
from deconfound.errors import ConfigurationError
from tests.tiny import tiny_vlm

# DPT reads an encoder of its own kind; deconfound.decoders builds its decoder directly.
ENCODER_ARCHITECTURES = tuple(name for name in ARCHITECTURES if name != "DPT")


def encoder_of(kind: str, **options: int) -> TowerEncoder:
    return TowerEncoder(copy.deepcopy(tiny_vlm(kind).tower), **options)


@pytest.fixture
def registered() -> Iterator[None]:
    """Both towers under names that SMP knows for the length of one test."""
    for kind in ("vit14", "resnet"):
        encoders[kind] = {
            "encoder": lambda kind=kind, **options: encoder_of(kind, **options),
            "params": {},
            "pretrained_settings": {},
        }
    yield
    for kind in ("vit14", "resnet"):
        del encoders[kind]


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("kind", ["vit14", "resnet"])
@pytest.mark.parametrize("architecture", ENCODER_ARCHITECTURES)
def test_smp_builds_its_models_around_it(architecture, kind):
    model = smp.create_model(architecture, encoder_name=kind, encoder_weights=None, classes=2)
    images = torch.randn(2, 3, 128, 160)
    logits = model(images)
    assert logits.shape == (2, 2, 128, 160)
    logits.square().mean().backward()
    # Which levels a decoder reads is its own affair (DeepLabV3 only the deepest), so: some of them.
    reached = [p.grad is not None for p in model.encoder.pyramid.parameters()]
    assert any(reached) == (kind == "vit14")
    assert all(reached) or architecture not in ("Unet", "UnetPlusPlus", "MAnet", "Linknet")
    assert model.encoder.tower.visual.conv1.weight.grad is not None


@pytest.mark.usefixtures("registered")
def test_smp_freezes_and_refuses_as_it_does_with_its_own_encoders():
    model = smp.Linknet("resnet", encoder_weights=None)
    model.freeze_encoder()
    model.train()
    assert not model.encoder.tower.visual.bn1.training
    with pytest.raises(RuntimeError, match="divisible by 32"):
        model(torch.randn(1, 3, 75, 101))


def test_it_offers_what_smp_asks_of_an_encoder():
    own = {name for name in vars(EncoderMixin) if not name.startswith("__")} | {
        "_depth",
        "_in_channels",
    }
    own -= {"get_stages"}  # only `make_dilated` of the mixin asks for it, and ours does not
    assert own <= set(dir(encoder_of("vit")))


@pytest.mark.parametrize("depth", [1, 3, 5])
@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_maps_are_those_it_announces(kind, depth):
    encoder = encoder_of(kind, depth=depth)
    maps = encoder(torch.randn(1, 3, 64, 64))
    assert [each.shape[1] for each in maps] == encoder.out_channels
    assert len(maps) == depth + 1
    assert encoder.output_stride == 2**depth == 64 // maps[-1].shape[-1]


@pytest.mark.parametrize("kind", ["vit", "resnet"])
@pytest.mark.parametrize("stride", [8, 16])
def test_dilation_keeps_the_resolution_of_the_deep_levels(kind, stride):
    encoder = encoder_of(kind)
    plain = encoder(torch.ones(1, 3, 64, 64))
    encoder.make_dilated(stride)
    dilated = encoder(torch.ones(1, 3, 64, 64))
    assert encoder.output_stride == stride
    assert min(each.shape[-1] for each in dilated) == 64 // stride
    assert [each.shape[1] for each in dilated] == [each.shape[1] for each in plain]


@pytest.mark.parametrize("stride", [4, 32])
def test_dilation_to_another_stride_is_refused(stride):
    with pytest.raises(ConfigurationError, match=f"stride 8 or 16 is possible, got {stride}"):
        encoder_of("vit").make_dilated(stride)


def test_images_that_are_not_rgb_are_refused():
    encoder = encoder_of("vit")
    encoder.set_in_channels(3)
    with pytest.raises(ConfigurationError, match="expected in_channels=3, got 1"):
        encoder.set_in_channels(1)


def test_a_depth_that_is_not_there_is_refused():
    with pytest.raises(ConfigurationError, match="expected 1 to 5, got 6"):
        encoder_of("vit", depth=6)
