"""Interventions on the levels inside a whole model: trained, asked, saved and loaded."""

from __future__ import annotations

import pytest
import segmentation_models_pytorch as smp
import torch

from deconfound import CausalSegmenter
from deconfound.encoders.level_interventions import (
    FeatureStatistics,
    LevelIdentity,
    logits_under_each,
    observe_levels,
)
from deconfound.errors import ConfigurationError, UnknownNameError
from deconfound.vlm.positions import resample
from tests.tiny import tiny_vlm

UNET = {"name": "Unet", "decoder_channels": (16, 16, 8, 8, 8)}


def small(decoder=UNET, **options) -> CausalSegmenter:
    torch.manual_seed(0)
    return CausalSegmenter(decoder, vlm=tiny_vlm(), intervention="film", **options)


def batches(count: int = 2) -> list[dict[str, torch.Tensor]]:
    return [{"image": torch.rand(3, 3, 64, 80)} for _ in range(count)]


def read(pooled, confounders) -> torch.Tensor:
    cosines = torch.nn.functional.normalize(pooled, dim=-1) @ confounders.embeddings.T
    return (20 * cosines).softmax(dim=-1)


def fitted(decoder=UNET, **options) -> CausalSegmenter:
    model = small(decoder, level_intervention={"name": "statistics", **options})
    model.level_intervention.fit(observe_levels(model, batches(), read))
    return model.eval()


def test_none_is_the_model_without_bit_for_bit() -> None:
    images, model = torch.randn(2, 3, 64, 64), small().eval()
    with_statistics = small(level_intervention="statistics").eval()
    assert isinstance(model.level_intervention, LevelIdentity)
    assert not any("level_intervention" in key for key in model.state_dict())
    assert torch.equal(model(images), with_statistics(images))
    traced = model.trace(images)
    pyramid, rest = model.body.encode(images, model.tower(images))
    without = model.body.decode(
        model.fusion(pyramid, traced.scores[:, None].expand(-1, 32, -1, -1)), rest
    )
    assert torch.equal(model(images), without)  # the fusion starts at zero


def test_the_parts_are_offered_what_the_model_knows() -> None:
    model = small(level_intervention="statistics")
    layer = model.level_intervention
    assert layer.names == model.pack.confounder_names
    assert layer.channels == model.body.channels
    assert layer.levels == model.body.levels_read
    assert small(
        level_intervention={"name": "statistics", "levels": [-1]}
    ).level_intervention.levels == (5,)
    ready = FeatureStatistics(["bright", "dark"], model.body.channels)
    assert small(level_intervention=ready).level_intervention is ready


def test_observing_gives_the_pyramid_of_the_model_and_leaves_it_as_it_was() -> None:
    model = small(level_intervention="statistics").train()
    given = batches()
    observed = list(observe_levels(model, given, read))
    assert model.training
    assert not model.level_intervention._forward_pre_hooks
    model.eval()
    for batch, (pyramid, posterior) in zip(given, observed, strict=True):
        images = model.normalize(batch["image"])
        sized = resample(images, model.body.size_for(*images.shape[-2:]))
        visual = model.tower(sized)
        expected = model.body.encode(sized, visual)[0]
        assert all(torch.equal(a, b) for a, b in zip(pyramid, expected, strict=True))
        assert torch.equal(posterior, read(visual.pooled, model.dictionary()))
        assert not any(x.requires_grad for x in pyramid[1:])


def test_the_decoder_meets_other_statistics_in_training_and_its_own_in_evaluation() -> None:
    model, images = fitted(probability=1.0), torch.randn(2, 3, 64, 64)
    own = model(images)
    assert torch.equal(model(images), own)
    model.level_intervention.train()
    assert not torch.equal(model(images), own)
    loss = model.train()(images).square().mean()
    loss.backward()
    trained = [p for p in model.body.parameters() if p.requires_grad]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in trained)


@pytest.mark.parametrize(
    "decoder",
    [
        UNET,
        {"name": "FPN", "decoder_pyramid_channels": 16, "decoder_segmentation_channels": 32},
        {"name": "Segformer", "decoder_segmentation_channels": 16},
        smp.Unet("resnet18", encoder_weights=None, decoder_channels=(16, 16, 8, 8, 8)),
    ],
    ids=["Unet", "FPN", "Segformer", "Unet-resnet18"],
)
def test_logits_under_each_confounder(decoder) -> None:
    model, images = fitted(decoder), torch.randn(2, 3, 64, 80)
    before = model(images)
    under = logits_under_each(model, images)
    assert under.shape == (2, 12, 1, 64, 80)
    assert (under[:, 0] - under[:, 1]).abs().max() > 0
    assert torch.equal(model(images), before)  # nothing is held afterwards
    model.level_intervention.set_to("mucus" if "mucus" in model.level_intervention.names else 0)
    held = model.level_intervention._held
    assert torch.equal(model(images), under[:, held])


def test_a_style_that_is_only_statistics_is_gone_under_do() -> None:
    """Two pictures whose maps differ by scale and shift of channels get the same logits."""
    model = fitted()
    images = model.normalize(torch.rand(1, 3, 64, 64))
    encode, style = model.body.encode, (torch.rand(1), torch.randn(1))

    def styled(sized, visual):
        pyramid, rest = encode(sized, visual)
        return [pyramid[0], *((1 + style[0]) * x + style[1] for x in pyramid[1:])], rest

    plain, plain_held = model(images), logits_under_each(model, images)
    model.body.encode = styled
    assert (model(images) - plain).abs().max() > 1e-2
    torch.testing.assert_close(logits_under_each(model, images), plain_held, atol=2e-3, rtol=2e-3)


def test_erasing_at_the_levels_of_a_whole_model() -> None:
    model, images = small(level_intervention="erasure").eval(), torch.randn(2, 3, 64, 64)
    before = model(images)
    assert torch.equal(before, small().eval()(images))
    model.level_intervention.fit(observe_levels(model, batches(), read))
    assert torch.isfinite(model(images)).all()
    assert not torch.equal(model(images), before)


def test_it_is_saved_and_loaded_with_its_statistics(tmp_path) -> None:
    model, images = fitted(levels=[2, -1], probability=0.25), torch.randn(1, 3, 64, 64)
    model.save_pretrained(tmp_path)
    again = CausalSegmenter.from_pretrained(tmp_path)
    assert again.level_intervention.options() == model.level_intervention.options()
    assert torch.equal(again(images), model(images))
    assert torch.equal(logits_under_each(again, images), logits_under_each(model, images))


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("statistcs", UnknownNameError, "unknown level intervention 'statistcs'; did you mean"),
        ({"name": "statistics", "level": [1]}, UnknownNameError, "did you mean levels"),
        ({"name": "statistics", "levels": [0]}, ConfigurationError, "found \\[0\\]"),
        (3, ConfigurationError, "expected a level intervention, its name, or a mapping"),
    ],
)
def test_every_mistake_is_one_sentence(spec, error, message) -> None:
    with pytest.raises(error, match=message):
        small(level_intervention=spec)


def test_asking_a_model_that_has_no_statistics() -> None:
    images = torch.randn(1, 3, 64, 64)
    with pytest.raises(ConfigurationError, match="expected a model with level_intervention='stat"):
        logits_under_each(small(), images)
    with pytest.raises(ConfigurationError, match="expected a fit before set_to"):
        logits_under_each(small(level_intervention="statistics"), images)
