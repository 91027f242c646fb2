"""Interventions on the encoder's levels: the statistics that are gathered, set and drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from deconfound.encoders.level_interventions import (
    FeatureStatistics,
    LevelIdentity,
    level_interventions,
)
from deconfound.encoders.level_interventions.moments import channel_statistics, with_statistics
from deconfound.encoders.levels import choose_levels
from deconfound.errors import ConfigurationError, DataError, ShapeError, UnknownNameError
from deconfound.testing.strategies import generator, seeds

NAMES = ("bright", "dark", "blurred")
CHANNELS = (3, 4, 6, 5)


@st.composite
def pyramids(draw: st.DrawFn, batch: int | None = None) -> list[torch.Tensor]:
    """Maps at strides 1, 2, 4, 8 of a small batch, none so small that its deviation is near 0."""
    g = generator(draw(seeds))
    batch = batch or draw(st.integers(1, 4))
    height, width = 8 * draw(st.integers(4, 5)), 8 * draw(st.integers(4, 5))
    return [
        3 * torch.randn(batch, c, height >> i, width >> i, generator=g).double() + 1
        for i, c in enumerate(CHANNELS)
    ]


def fitted(seed: int = 0, **options) -> FeatureStatistics:
    layer, g = FeatureStatistics(NAMES, CHANNELS, **options).double(), generator(seed)
    observed = [torch.randn(9, c, 4, 4, generator=g).double() for c in CHANNELS]
    return layer.fit([(observed, torch.rand(9, 3, generator=g))], prior=[0.5, 0.3, 0.2])


@given(maps=pyramids(), seed=seeds)
def test_setting_against_instance_normalisation(maps, seed) -> None:
    """AdaIN by torch's own instance norm, with deviation and mean as its scale and shift."""
    x = maps[2]
    std = torch.rand(x.shape[:2], generator=generator(seed)).double() + 0.1
    mean = torch.randn(x.shape[:2], generator=generator(seed)).double()
    expected = F.instance_norm(x) * std[..., None, None] + mean[..., None, None]
    torch.testing.assert_close(with_statistics(x, mean, std), expected)


@given(maps=pyramids(), m=st.integers(0, 2))
def test_held_pictures_have_the_statistics_of_the_confounder(maps, m) -> None:
    layer = fitted().eval()
    layer.set_to(m)
    changed = layer(maps)
    assert changed[0] is maps[0]
    for level in (1, 2, 3):
        mean, std = channel_statistics(changed[level])
        target = layer.get_buffer(f"mean_{level}")[m], layer.get_buffer(f"std_{level}")[m]
        torch.testing.assert_close(mean, target[0].expand_as(mean))
        torch.testing.assert_close(std, target[1].expand_as(std), atol=1e-4, rtol=1e-4)
        # where things lie is kept: each channel is an affine function of what it was
        before, after = maps[level].flatten(2), changed[level].flatten(2)
        for x, y in zip(before.flatten(0, 1), after.flatten(0, 1), strict=True):
            assert torch.corrcoef(torch.stack([x, y]))[0, 1] == pytest.approx(1)


@given(maps=pyramids(), first=st.integers(0, 2), last=st.integers(0, 2))
def test_the_last_do_is_the_one_that_counts(maps, first, last) -> None:
    """do(z = a) then do(z = b) is do(z = b); with a = b, setting is idempotent."""
    layer = fitted().eval()
    layer.set_to(first)
    once = layer(maps)
    layer.set_to(last)
    for twice, directly in zip(layer(once), layer(maps), strict=True):
        torch.testing.assert_close(twice, directly, atol=1e-3, rtol=1e-3)


@given(maps=pyramids())
def test_a_pictures_own_statistics_change_nothing(maps) -> None:
    for x in maps:
        torch.testing.assert_close(with_statistics(x, *channel_statistics(x)), x)
        other = x[:, :, 0, 0], x[:, :, 0, 1].abs()
        torch.testing.assert_close(with_statistics(x, *other, amount=0.0), x)


@given(maps=pyramids(), training=st.booleans())
def test_unfitted_is_the_identity_bit_for_bit(maps, training) -> None:
    layer = FeatureStatistics(NAMES, CHANNELS, probability=1.0).train(training)
    for kept in (layer(maps), LevelIdentity()(maps)):
        assert all(torch.equal(a, b) for a, b in zip(kept, maps, strict=True))


@given(maps=pyramids())
def test_evaluation_is_the_identity_and_so_is_probability_zero(maps) -> None:
    for layer in (fitted(probability=1.0).eval(), fitted(probability=0.0).train()):
        assert all(torch.equal(a, b) for a, b in zip(layer(maps), maps, strict=True))


@given(maps=pyramids(batch=4), levels=st.sets(st.integers(1, 3), min_size=1))
def test_training_sets_one_confounder_for_all_levels_of_a_picture(maps, levels) -> None:
    """Every picture that is changed is, at all chosen levels, what do(z = m) makes of it."""
    layer = fitted(levels=sorted(levels), probability=0.7)
    changed = layer.train()(maps)
    under = [maps]
    for m in range(3):
        layer.set_to(m)
        under.append(layer(maps))
    for b in range(4):
        assert any(
            all(torch.equal(x[b], y[b]) for x, y in zip(changed, one, strict=True)) for one in under
        )
    for level in {0, 1, 2, 3} - levels:
        assert changed[level] is maps[level]


def test_draws_follow_the_prior_and_the_probability() -> None:
    layer = fitted(levels=[1], probability=0.6).train()
    maps = [torch.randn(4000, c, 2, 2).double() for c in CHANNELS]
    before, after = channel_statistics(maps[1])[0], channel_statistics(layer(maps)[1])[0]
    targets = layer.get_buffer("mean_1")
    shares = [(after - target).abs().amax(dim=1).lt(1e-6).double().mean() for target in targets]
    assert (after == before).all(dim=1).double().mean() == pytest.approx(0.4, abs=0.03)
    for share, prior in zip(shares, (0.5, 0.3, 0.2), strict=True):
        assert share.item() == pytest.approx(0.6 * prior, abs=0.03)


def test_a_seed_gives_the_same_draws() -> None:
    layer, maps = fitted().train(), [torch.randn(8, c, 4, 4).double() for c in CHANNELS]
    runs = []
    for _ in range(2):
        torch.manual_seed(3)
        runs.append(layer(maps)[2])
    assert torch.equal(*runs)


@given(seed=seeds, cut=st.integers(1, 10))
def test_the_fit_is_the_weighted_mean_however_it_is_batched(seed, cut) -> None:
    g = generator(seed)
    maps = [2 * torch.randn(11, c, 3, 4, generator=g).double() + 1 for c in CHANNELS]
    posterior = torch.rand(11, 3, generator=g)
    parts = [([x[s] for x in maps], posterior[s]) for s in (slice(cut), slice(cut, None))]
    layer = FeatureStatistics(NAMES, CHANNELS).double().fit(parts)
    for level in (1, 2, 3):
        x = maps[level].numpy()
        for m in range(3):
            mean = np.average(x.mean(axis=(2, 3)), axis=0, weights=posterior[:, m])
            variance = np.average(x.var(axis=(2, 3)), axis=0, weights=posterior[:, m])
            found = layer.get_buffer(f"mean_{level}")[m], layer.get_buffer(f"std_{level}")[m]
            np.testing.assert_allclose(found[0], mean, rtol=1e-6)
            np.testing.assert_allclose(found[1], np.sqrt(variance), rtol=1e-3)


def test_the_fit_recovers_a_world_in_which_a_confounder_is_contrast_and_brightness() -> None:
    """Pictures of z are σ_z·n + μ_z; do(z = m) turns those of any z into those of m."""
    mu, sigma = torch.randn(3, 4).double(), torch.rand(3, 4).double() + 0.5
    z = torch.arange(60) % 3
    texture = F.instance_norm(torch.randn(60, 4, 8, 8).double())

    def under(z):
        return texture * sigma[z][..., None, None] + mu[z][..., None, None]

    layer = FeatureStatistics(NAMES, (3, 4), levels=[1]).double()
    layer.fit([([torch.zeros(60, 3, 8, 8), under(z)], F.one_hot(z, 3))])
    torch.testing.assert_close(layer.mean_1, mu)
    torch.testing.assert_close(layer.std_1, sigma, atol=1e-4, rtol=1e-4)
    layer.set_to("dark")
    done = layer([torch.zeros(60, 3, 8, 8), under(z)])[1]
    torch.testing.assert_close(done, under(torch.ones_like(z)), atol=1e-3, rtol=1e-3)


def test_balancing_weights_fit_the_balanced_world() -> None:
    """Where a lesion shifts the statistics, weighed posteriors give those of equal classes."""
    lesion = torch.tensor([1.0] * 9 + [0.0])  # of ten pictures of z, nine show the lesion
    maps = [torch.randn(10, 3, 4, 4), torch.randn(10, 1, 4, 4) * 0.1]
    maps[1] = F.instance_norm(maps[1]) + lesion[:, None, None, None]
    posterior, weights = torch.ones(10, 1), 1 / torch.tensor([9.0] * 9 + [1.0])
    layer = FeatureStatistics(["z"], (3, 1), levels=[1])
    assert layer.fit([(maps, posterior)]).mean_1.item() == pytest.approx(0.9, abs=1e-4)
    balanced = layer.fit([(maps, posterior * weights[:, None])])
    assert balanced.mean_1.item() == pytest.approx(0.5, abs=1e-4)


def test_half_precision_maps_are_set_in_full_precision() -> None:
    layer = fitted().float().eval()
    layer.set_to(0)
    maps = [(100 * torch.randn(2, c, 4, 4) + 300) for c in CHANNELS]
    halved = layer([x.bfloat16() for x in maps])
    for low, full in zip(halved[1:], layer(maps)[1:], strict=True):
        assert low.dtype == torch.bfloat16
        torch.testing.assert_close(low.float(), full, atol=0.1, rtol=0.05)


def test_it_is_built_again_from_json_and_its_statistics() -> None:
    layer = fitted(levels=[1, -1], probability=0.3, amount=0.8)
    spec = json.loads(json.dumps({"name": level_interventions.name_of(layer), **layer.options()}))
    again = level_interventions.build(spec).double()
    again.load_state_dict(layer.state_dict())
    assert again.options() == layer.options()
    maps = [torch.randn(2, c, 4, 4).double() for c in CHANNELS]
    for each in (layer, again):
        each.set_to(2)
    assert all(torch.equal(a, b) for a, b in zip(layer(maps), again(maps), strict=True))
    layer.set_to(None)
    assert torch.equal(layer.eval()(maps)[1], maps[1])


def test_gradients_pass() -> None:
    layer = fitted(levels=[1]).eval()
    layer.set_to(1)
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layer([x[:, :3], x])[1], (x,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": []}, "expected the confounders' names, found none"),
        ({"probability": 1.5}, r"probability must be in \[0, 1\], found 1.5"),
        ({"amount": -0.1}, r"amount must be in \[0, 1\], found -0.1"),
        ({"levels": [0]}, r"among those the decoder reads, \[1, 2, 3\], found \[0\]"),
        ({"levels": []}, r"found \[\]"),
        ({"levels": [3, -1]}, "levels must be distinct"),
        ({"levels": "deep"}, "levels must be 'all' or a list of integers, found 'deep'"),
    ],
)
def test_settings_out_of_range(options, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        FeatureStatistics(**{"names": NAMES, "channels": CHANNELS, **options})


def test_levels_count_from_either_end() -> None:
    assert choose_levels("all", 6) == (1, 2, 3, 4, 5)
    assert choose_levels("all", 6, [2, 5]) == (2, 5)
    assert choose_levels([-1, 2], 6, [2, 5]) == (2, 5)


def test_every_mistake_is_one_sentence() -> None:
    layer, maps = fitted(), [torch.randn(2, c, 4, 4) for c in CHANNELS]
    with pytest.raises(UnknownNameError, match="unknown confounder 'drak'; did you mean dark"):
        layer.set_to("drak")
    with pytest.raises(UnknownNameError, match="unknown confounder '3'"):
        layer.set_to(3)
    with pytest.raises(ConfigurationError, match="expected a fit before set_to"):
        FeatureStatistics(NAMES, CHANNELS).set_to(0)
    with pytest.raises(ShapeError, match=r"expected posteriors \(2, 3\), found \(2, 4\)"):
        layer.fit([(maps, torch.rand(2, 4))])
    with pytest.raises(ShapeError, match="expected level 3 with 5 channels"):
        layer.fit([(maps[:3], torch.rand(2, 3))])
    with pytest.raises(DataError, match="found none of 'blurred'"):
        layer.fit([(maps, torch.tensor([[1.0, 1.0, 0.0]] * 2))])


def test_a_single_location_has_no_deviation_to_set() -> None:
    layer, maps = fitted(), [torch.randn(2, c, 4, 4) for c in CHANNELS]
    layer.set_to(0)
    with pytest.raises(ShapeError, match="2 locations or more"):
        layer([*maps[:3], maps[3][..., :1, :1]])


def test_what_never_occurs_need_not_be_shown() -> None:
    maps = [torch.randn(4, c, 4, 4) for c in CHANNELS]
    layer = FeatureStatistics(NAMES, CHANNELS, probability=1.0)
    layer.fit([(maps, torch.tensor([[0.5, 0.5, 0.0]] * 4))], prior=[1, 1, 0])
    assert all(torch.isfinite(x).all() for x in layer.train()(maps))
