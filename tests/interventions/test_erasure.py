"""Closed-form erasure: nothing linear is left, and no more is changed than need be."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, Ridge

from deconfound import CausalSegmenter
from deconfound.errors import ConfigurationError, DataError, ShapeError
from deconfound.interventions import HasEffects, InterventionLayer
from deconfound.interventions.erasure import ErasureIntervention
from deconfound.interventions.leace import LeaceEraser, LeaceIntervention
from deconfound.testing import InterventionLayerContract
from deconfound.testing.strategies import DIM, confounders, generator, regions, seeds
from deconfound.types import Confounders, Regions
from tests.tiny import tiny_vlm


class TestErasure(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return ErasureIntervention(dim)


class TestCalibratedErasure(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return ErasureIntervention(dim, strength=3.0)


class TestUncentredErasure(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return ErasureIntervention(dim, centre=False)


class TestLeaceUnfitted(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return LeaceIntervention(dim)


class TestLeaceFitted(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        g = generator(0)
        z = torch.nn.functional.one_hot(torch.randint(0, 3, (50,), generator=g), 3).float()
        features = torch.randn(50, dim, generator=g) + z @ torch.randn(3, dim, generator=g)
        return LeaceIntervention(dim).fit(features, z)


def doubled(f: Regions, z: Confounders) -> tuple[Regions, Confounders]:
    prior = z.prior.double()
    return (
        Regions(f.features.double(), f.index),
        Confounders(z.embeddings.double(), prior / prior.sum(), z.names),
    )


def similarities(layer: InterventionLayer, f: Regions, z: Confounders) -> torch.Tensor:
    return layer(f, z).features @ z.embeddings.T


@given(f=regions(), z=confounders())
def test_an_erased_region_is_equally_similar_to_every_confounder(f, z) -> None:
    f, z = doubled(f, z)
    after = similarities(ErasureIntervention(DIM), f, z)
    torch.testing.assert_close(after, after[..., :1].expand_as(after), atol=1e-10, rtol=0)
    after = similarities(ErasureIntervention(DIM, centre=False), f, z)
    torch.testing.assert_close(after, torch.zeros_like(after), atol=1e-10, rtol=0)


@given(f=regions(), z=confounders(), centre=st.booleans())
def test_the_projection_is_that_of_least_squares(f, z, centre) -> None:
    """Oracle: the residual of regressing a region on the rows of the dictionary (NumPy)."""
    f, z = doubled(f, z)
    rows = z.embeddings - z.prior @ z.embeddings if centre else z.embeddings
    flat = f.features.flatten(0, 1).T.numpy()
    fitted = rows.T.numpy() @ np.linalg.lstsq(rows.T.numpy(), flat, rcond=1e-10)[0]
    expected = torch.from_numpy(flat - fitted).T.view_as(f.features)
    found = ErasureIntervention(DIM, centre=centre)(f, z).features
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


@given(f=regions(), z=confounders())
def test_erasing_the_span_twice_is_erasing_it_once(f, z) -> None:
    f, z = doubled(f, z)
    layer = ErasureIntervention(DIM)
    once = layer(f, z)
    twice = layer(Regions(once.features, f.index), z)
    torch.testing.assert_close(twice.features, once.features, atol=1e-10, rtol=0)
    assert (once.features.norm(dim=-1) <= f.features.norm(dim=-1) + 1e-12).all()


@given(z=confounders(), strength=st.floats(0.1, 100))
def test_the_calibrated_projection_minimises_the_calibration_loss(z, strength) -> None:
    """‖P - I‖² + λ Σ P(z) P(z') ‖Pz - Pz'‖² is convex in P, and its gradient vanishes here."""
    identity = torch.eye(DIM, dtype=torch.float64)
    f, z = doubled(Regions(identity[None], torch.arange(DIM)[None]), z)
    projection = ErasureIntervention(DIM, strength=strength)(f, z).features[0].requires_grad_()
    moved = z.embeddings @ projection.T
    apart = (moved[:, None] - moved[None]).square().sum(dim=-1)
    loss = (projection - identity).square().sum() + strength * z.prior @ apart @ z.prior
    (gradient,) = torch.autograd.grad(loss, projection)
    assert gradient.abs().max() < 1e-9


@given(f=regions(), z=confounders())
def test_growing_strength_approaches_the_exact_projection(f, z) -> None:
    f, z = doubled(f, z)
    exact = ErasureIntervention(DIM)(f, z).features
    distances = [
        (ErasureIntervention(DIM, strength=s)(f, z).features - exact).norm().item()
        for s in (1e0, 1e3, 1e6)
    ]
    assert distances[0] >= distances[1] >= distances[2]
    assert distances[2] <= 1e-3 * f.features.norm().item()


def test_a_confounder_that_never_occurs_is_not_erased() -> None:
    z = Confounders(torch.eye(3, DIM), torch.tensor([0.5, 0.5, 0.0]), tuple("abc"))
    f = Regions(torch.ones(1, 1, DIM), torch.zeros(1, 1, dtype=torch.int64))
    erased = ErasureIntervention(DIM, centre=False)(f, z).features[0, 0]
    torch.testing.assert_close(erased[:3], torch.tensor([0.0, 0.0, 1.0]))


def test_a_learned_dictionary_gets_a_gradient() -> None:
    z = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    prior = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    f = Regions(torch.randn(1, 2, 6, dtype=torch.float64), torch.arange(2)[None])
    layer = ErasureIntervention(6)

    def erased(z):
        return layer(f, Confounders(z, prior, tuple("abc"))).features

    assert torch.autograd.gradcheck(erased, (z,))


def test_erasure_is_as_exact_under_autocast() -> None:
    f = Regions(torch.randn(1, 4, DIM), torch.arange(4)[None])
    z = Confounders(torch.randn(5, DIM), torch.full((5,), 0.2), tuple("abcde"))
    leace = LeaceIntervention(DIM).fit(torch.randn(40, DIM), torch.rand(40, 5))
    for layer in (ErasureIntervention(DIM), leace):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = layer(f, z).features
        assert torch.equal(inside, layer(f, z).features)


@pytest.mark.parametrize("strength", [3.0, math.inf])
def test_a_model_in_half_precision_erases_in_single(strength) -> None:
    f = Regions(torch.randn(1, 4, DIM).bfloat16(), torch.arange(4)[None])
    half = torch.randn(5, DIM).bfloat16(), torch.full((5,), 0.2).bfloat16()
    z, single = (Confounders(*part, tuple("abcde")) for part in (half, [x.float() for x in half]))
    layer = ErasureIntervention(DIM, strength)
    erased = layer(f, z).features
    assert erased.dtype == torch.bfloat16
    expected = layer(Regions(f.features.float(), f.index), single).features
    torch.testing.assert_close(erased.float(), expected, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("strength", [0, -1, math.nan])
def test_a_strength_must_be_positive(strength) -> None:
    with pytest.raises(ConfigurationError, match="erasure strength must be > 0"):
        ErasureIntervention(DIM, strength=strength)


# LEACE


@st.composite
def labelled(draw: st.DrawFn, soft: bool | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (n, d), some of rank below d, that say linearly and otherwise which z they have."""
    g = generator(draw(seeds))
    count, dim, m = draw(st.integers(30, 80)), draw(st.integers(2, 8)), draw(st.integers(2, 5))
    label = torch.randint(0, m, (count,), generator=g)
    z = torch.nn.functional.one_hot(label, m).double()
    if draw(st.booleans()) if soft is None else soft:
        z = (4 * z + torch.randn(count, m, generator=g, dtype=torch.float64)).softmax(dim=-1)
    rank = draw(st.integers(1, dim))
    mixing = torch.randn(rank, dim, generator=g, dtype=torch.float64)
    told = z @ torch.randn(m, rank, generator=g, dtype=torch.float64)
    spread = 1 + label[:, None].double()
    noise = spread * torch.randn(count, rank, generator=g, dtype=torch.float64)
    return (2 * told + noise) @ mixing + 5, z


def cross_covariance(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return (x - x.mean(dim=0)).T @ (z - z.mean(dim=0)) / len(x)


@given(case=labelled())
def test_nothing_linear_is_left(case) -> None:
    x, z = case
    erased = LeaceEraser.fit(x, z)(x)
    assert cross_covariance(erased, z).abs().max() < 1e-6
    torch.testing.assert_close(erased.mean(dim=0), x.mean(dim=0))
    # least squares finds nothing (damped so far that it cannot read the rounding of what is gone)
    probe = Ridge(alpha=1e-6).fit(erased.numpy(), z.numpy())
    assert probe.score(erased.numpy(), z.numpy()) < 1e-6


@given(case=labelled())
def test_erasing_twice_is_erasing_once(case) -> None:
    x, z = case
    eraser = LeaceEraser.fit(x, z)
    once = eraser(x)
    torch.testing.assert_close(eraser(once), once, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(LeaceEraser.fit(once, z)(once), once, atol=1e-6, rtol=1e-6)


@given(case=labelled(), seed=seeds)
def test_no_other_eraser_moves_the_features_less(case, seed) -> None:
    """Against the orthogonal projection, in the plain and in a random inner product."""
    x, z = case
    leace = LeaceEraser.fit(x, z)(x)
    left, values, _ = torch.linalg.svd(cross_covariance(x, z), full_matrices=False)
    told = left[:, values > 1e-9]
    orthogonal = x - (x - x.mean(dim=0)) @ told @ told.T
    assert cross_covariance(orthogonal, z).abs().max() < 1e-6
    root = torch.randn(x.shape[1], x.shape[1], generator=generator(seed), dtype=torch.float64)
    inverse = torch.linalg.pinv(torch.cov(x.T), hermitian=True, rtol=1e-9)
    for product in (torch.eye(x.shape[1], dtype=torch.float64), root @ root.T, inverse):
        by_leace, by_projection = (
            torch.einsum("nd,de,ne->n", x - r, product, x - r).mean() for r in (leace, orthogonal)
        )
        assert by_leace <= by_projection * (1 + 1e-6) + 1e-9


@given(case=labelled(), seed=seeds)
def test_erasure_commutes_with_a_change_of_basis(case, seed) -> None:
    """What LEACE does means the same in any coordinates; of the plain projection that is untrue."""
    x, z = case
    turn = torch.randn(x.shape[1], x.shape[1], generator=generator(seed), dtype=torch.float64)
    turn = turn + 5 * torch.eye(len(turn), dtype=torch.float64)
    if torch.linalg.cond(turn) > 100:
        return
    there = LeaceEraser.fit(x @ turn, z)(x @ turn)
    torch.testing.assert_close(there, LeaceEraser.fit(x, z)(x) @ turn, atol=1e-5, rtol=1e-5)


def test_logistic_regression_is_at_chance_after_and_not_before() -> None:
    g = generator(0)
    label = torch.randint(0, 4, (2000,), generator=g)
    z = torch.nn.functional.one_hot(label, 4).double()
    x = torch.randn(2000, 16, generator=g, dtype=torch.float64)
    x = x + 1.5 * z @ torch.randn(4, 16, generator=g, dtype=torch.float64)
    chance = z.mean(dim=0).max().item()

    def accuracy(features: torch.Tensor) -> float:
        probe = LogisticRegression(max_iter=1000, tol=1e-8).fit(features.numpy(), label.numpy())
        return probe.score(features.numpy(), label.numpy())

    assert accuracy(x) > 0.8
    assert accuracy(LeaceEraser.fit(x, z)(x)) == pytest.approx(chance, abs=1e-3)


def test_what_does_not_go_with_z_is_left_alone() -> None:
    """Features independent of z in the sample are returned as they are."""
    x = torch.randn(40, 6, dtype=torch.float64).repeat(2, 1)
    z = torch.nn.functional.one_hot(torch.tensor([0] * 40 + [1] * 40), 2).double()
    torch.testing.assert_close(LeaceEraser.fit(x, z)(x), x, atol=1e-12, rtol=0)


def test_the_regions_of_a_picture_share_its_posterior() -> None:
    features, z = torch.randn(10, 3, DIM), torch.rand(10, 4)
    by_picture = LeaceEraser.fit(features, z)
    by_row = LeaceEraser.fit(features.flatten(0, 1), z.repeat_interleave(3, dim=0))
    torch.testing.assert_close(by_picture.removal, by_row.removal)


@given(f=regions(), z=confounders())
def test_an_unfitted_layer_is_the_identity_bit_for_bit(f, z) -> None:
    assert torch.equal(LeaceIntervention(DIM)(f, z).features, f.features)


def test_the_fit_travels_in_the_state_dict() -> None:
    layer = TestLeaceFitted().make(DIM)
    again = LeaceIntervention(DIM)
    again.load_state_dict(layer.state_dict())
    x = torch.randn(1, 5, DIM)
    z = Confounders(torch.randn(2, DIM), torch.full((2,), 0.5), ("a", "b"))
    f = Regions(x, torch.arange(5)[None])
    assert torch.equal(again(f, z).features, layer(f, z).features)
    assert not torch.equal(again(f, z).features, x)


def test_the_regions_of_a_whole_model_are_erased_and_stay_so_on_disk(tmp_path) -> None:
    model = CausalSegmenter(vlm=tiny_vlm(), intervention=LeaceIntervention(32)).eval()
    images, posterior = torch.randn(6, 3, 64, 64), torch.rand(6, 12)
    with torch.no_grad():
        before = model.trace(images)
        model.intervention.fit(before.regions.features, posterior)
        erased = model.trace(images).intervened.features
    z = posterior.repeat_interleave(erased.shape[1], dim=0).double()
    scale = cross_covariance(before.regions.features.flatten(0, 1).double(), z).abs().max()
    assert cross_covariance(erased.flatten(0, 1).double(), z).abs().max() < 1e-4 * scale
    model.save_pretrained(tmp_path)
    again = CausalSegmenter.from_pretrained(tmp_path)
    assert torch.equal(again.trace(images).intervened.features, erased)


def test_erasing_is_not_setting() -> None:
    assert not isinstance(LeaceIntervention(DIM), HasEffects)
    assert not isinstance(ErasureIntervention(DIM), HasEffects)


@pytest.mark.parametrize(
    ("features", "z", "error", "message"),
    [
        (torch.zeros(4, DIM), torch.zeros(3, 2), ShapeError, r"found \(4, 16\) and \(3, 2\)"),
        (torch.zeros(4, 8), torch.zeros(4, 2), ShapeError, r"features 16 wide, found \(4, 8\)"),
        (torch.zeros(1, DIM), torch.zeros(1, 2), DataError, "two rows or more to fit on, found 1"),
        (torch.full((4, DIM), math.nan), torch.zeros(4, 2), DataError, "found nan or infinity"),
    ],
)
def test_every_mistake_is_one_sentence(features, z, error, message) -> None:
    with pytest.raises(error, match=message):
        LeaceIntervention(DIM).fit(features, z)
