"""MixStyle on maps: statistics between those of two pictures, content as it was."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from deconfound.encoders.level_interventions import MixStyle, level_interventions
from deconfound.encoders.level_interventions.mixstyle import mix_statistics
from deconfound.encoders.level_interventions.moments import channel_statistics, with_statistics
from deconfound.errors import ConfigurationError, ShapeError, UnknownNameError
from deconfound.testing.strategies import generator, seeds

CHANNELS = (3, 4, 4, 5)


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """Maps (B, 4, 6, 7) of unlike statistics, a partner and a share for each picture."""
    count, g = draw(st.integers(1, 5)), generator(draw(seeds))
    scale, shift = (torch.rand(count, 4, 1, 1, generator=g).double() for _ in range(2))
    maps = (scale + 0.2) * torch.randn(count, 4, 6, 7, generator=g).double() + 5 * shift
    return maps, torch.randperm(count, generator=g), torch.rand(count, generator=g).double()


def pyramid(count: int = 4, seed: int = 0) -> list[Tensor]:
    g = generator(seed)
    same = torch.randn(count, 4, 8, 8, generator=g) * torch.rand(count, 4, 1, 1, generator=g)
    return [torch.randn(count, 3, 16, 16, generator=g), same, same, torch.randn(count, 5, 2, 2)]


@given(drawn=mixtures())
def test_a_share_of_one_is_the_identity(drawn) -> None:
    maps, partner, share = drawn
    torch.testing.assert_close(mix_statistics(maps, partner, torch.ones_like(share)), maps)


@given(drawn=mixtures())
def test_a_share_of_zero_is_the_partners_style(drawn) -> None:
    maps, partner, share = drawn
    found = mix_statistics(maps, partner, torch.zeros_like(share))
    theirs = (each[partner] for each in channel_statistics(maps))
    torch.testing.assert_close(found, with_statistics(maps, *theirs))


@given(drawn=mixtures())
def test_statistics_are_mixed_and_lie_between(drawn) -> None:
    maps, partner, share = drawn
    before, after = channel_statistics(maps), channel_statistics(mix_statistics(*drawn))
    for own, mixed in zip(before, after, strict=True):
        other = own[partner]
        expected = share[:, None] * own + (1 - share[:, None]) * other
        torch.testing.assert_close(mixed, expected, atol=1e-3, rtol=1e-3)
        assert (mixed >= torch.minimum(own, other) - 1e-3).all()
        assert (mixed <= torch.maximum(own, other) + 1e-3).all()


@given(drawn=mixtures())
def test_the_normalised_content_is_kept(drawn) -> None:
    def normalised(maps: Tensor) -> Tensor:
        return torch.nn.functional.instance_norm(maps, eps=0.0)

    torch.testing.assert_close(normalised(mix_statistics(*drawn)), normalised(drawn[0]))


@given(drawn=mixtures())
def test_no_gradient_flows_through_statistics(drawn) -> None:
    """With both of them held, the mixture is affine in the map: its slope is σ_mixed / σ."""
    maps, partner, share = drawn
    _, std = channel_statistics(maps)
    maps.requires_grad_()
    mix_statistics(maps, partner, share).sum().backward()
    slope = std[partner].lerp(std, share[:, None]) / std
    torch.testing.assert_close(maps.grad, slope[..., None, None].expand_as(maps))


def test_half_precision_is_not_computed_in() -> None:
    contrast = torch.tensor([1.0, 10.0, 100.0, 1000.0])[:, None, None, None]
    maps = (contrast * (torch.randn(4, 4, 16, 16) + 3)).bfloat16()
    partner, share = torch.tensor([1, 2, 3, 0]), torch.rand(4)
    found = mix_statistics(maps, partner, share)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, mix_statistics(maps.float(), partner, share).bfloat16())


def test_evaluation_and_probability_zero_are_the_identity() -> None:
    maps = pyramid()
    for layer in (MixStyle(CHANNELS, probability=1.0).eval(), MixStyle(CHANNELS, probability=0.0)):
        assert all(a is b for a, b in zip(layer(maps), maps, strict=True))


def test_a_picture_has_one_partner_and_one_share_at_all_chosen_levels() -> None:
    maps = pyramid()
    changed = MixStyle(CHANNELS, probability=1.0)(maps)
    assert torch.equal(changed[1], changed[2])  # as they were before
    assert not torch.equal(changed[1], maps[1])
    assert changed[0] is maps[0]
    assert changed[3] is maps[3]  # the published variant is shallow


def test_a_share_of_the_batches_is_mixed_and_a_seed_gives_the_same_ones() -> None:
    layer, maps = MixStyle(CHANNELS, probability=0.3), pyramid()
    runs = []
    for _ in range(2):
        torch.manual_seed(5)
        runs.append([layer(maps)[1] for _ in range(400)])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
    mixed = sum(each is not maps[1] for each in runs[0])
    assert mixed / 400 == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize(("alpha", "between"), [(0.1, 0.09), (1.0, 0.4), (100.0, 0.5)])
def test_alpha_says_how_far_between(alpha, between) -> None:
    """Half of the pictures have mean 0, half 1: half get a partner of the other kind."""
    maps = torch.randn(4000, 1, 2, 2)
    maps = maps - maps.mean(dim=(2, 3), keepdim=True)
    maps += torch.arange(4000).remainder(2)[:, None, None, None]
    layer = MixStyle((3, 1), levels=[1], alpha=alpha, probability=1.0)
    means = layer([torch.zeros(4000, 3, 2, 2), maps])[1].mean(dim=(1, 2, 3))
    found = ((means > 0.1) & (means < 0.9)).float().mean()
    assert float(found) == pytest.approx(between, abs=0.03)


def test_levels_and_options() -> None:
    layer = MixStyle(CHANNELS, allowed=(2, 3), alpha=0.3)
    assert layer.levels == (2, 3)
    assert MixStyle((3, 4, 5, 6, 7), levels="all").levels == (1, 2, 3, 4)
    spec = json.loads(json.dumps({"name": level_interventions.name_of(layer), **layer.options()}))
    assert level_interventions.build(spec, allowed=(2, 3)).options() == layer.options()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha must be > 0, found 0.0"),
        ({"probability": 1.5}, "probability must be in \\[0, 1\\], found 1.5"),
        ({"levels": [0]}, "levels must be distinct and among"),
        ({"levels": "deep"}, "levels must be 'all' or a list"),
    ],
)
def test_every_mistake_is_one_sentence(options, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        MixStyle(CHANNELS, **options)


def test_maps_that_do_not_fit() -> None:
    layer, maps = MixStyle(CHANNELS, probability=1.0), pyramid()
    with pytest.raises(ShapeError, match="MixStyle: expected level 1 with 4 channels and 2 locat"):
        layer([maps[0], maps[1][:, :, :1, :1], *maps[2:]])
    with pytest.raises(UnknownNameError, match="did you mean mixstyle"):
        level_interventions.build("mixstyl", channels=CHANNELS)
