"""Translation along text directions: the laws that a do(z) on features has to keep."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound import CausalSegmenter
from deconfound.diagnostics import jensen_gap
from deconfound.errors import ConfigurationError
from deconfound.estimators import MonteCarlo, estimators
from deconfound.interventions import HasEffects, InterventionLayer, interventions
from deconfound.interventions.translation import TextTranslation
from deconfound.testing import InterventionLayerContract
from deconfound.testing.strategies import DIM, confounders, regions
from deconfound.types import Confounders, Regions
from tests.tiny import tiny_vlm


class TestEnumeration(InterventionLayerContract):
    tolerance = 1e-4  # cosines are divided by T = 0.01, and their rounding with them

    def make(self, dim: int) -> InterventionLayer:
        return TextTranslation(dim)


class TestPriorMean(InterventionLayerContract):
    tolerance = 1e-4

    def make(self, dim: int) -> InterventionLayer:
        return TextTranslation(dim, "prior_mean", strength=0.3, temperature=0.1)


def doubled(f: Regions, z: Confounders) -> tuple[Regions, Confounders]:
    prior = z.prior.double()
    return (
        Regions(f.features.double(), f.index),
        Confounders(z.embeddings.double(), prior / prior.sum(), z.names),
    )


strengths = st.floats(0, 2)
temperatures = st.floats(0.01, 1)


@given(f=regions(), z=confounders(), s=strengths, t=temperatures)
def test_against_the_equation(f, z, s, t) -> None:
    """Region by region and confounder by confounder, in plain loops."""
    f, z = doubled(f, z)
    effects = TextTranslation(DIM, strength=s, temperature=t).effects(f, z)
    for b, picture in enumerate(f.features):
        for n, x in enumerate(picture):
            cosines = torch.stack([torch.cosine_similarity(x, v, dim=0) for v in z.embeddings])
            q = z.prior * (cosines / t).exp()
            shown = (q / q.sum()) @ z.embeddings
            for m, v in enumerate(z.embeddings):
                torch.testing.assert_close(effects[b, m, n], x + s * x.norm() * (v - shown))


@given(f=regions(), z=confounders(), s=strengths, t=temperatures)
def test_consistency_the_reading_gives_back_what_was_observed(f, z, s, t) -> None:
    """Σ_z q(z) A(f, z) = f: the attention estimator at the layer's own temperature."""
    f, z = doubled(f, z)
    reading = {"name": "attention", "temperature": t}
    layer = TextTranslation(DIM, reading, strength=s, temperature=t)
    torch.testing.assert_close(layer(f, z).features, f.features, atol=1e-9, rtol=1e-9)


@given(f=regions(), z=confounders(), s=strengths, t=temperatures)
def test_affine_in_z_so_that_enumeration_is_prior_mean(f, z, s, t) -> None:
    f, z = doubled(f, z)
    by = {e: TextTranslation(DIM, e, s, t)(f, z).features for e in ("enumeration", "prior_mean")}
    torch.testing.assert_close(by["enumeration"], by["prior_mean"])


def test_monte_carlo_is_right_on_average() -> None:
    """The reading is over the whole dictionary, whatever was drawn."""
    f, z = doubled(
        Regions(torch.randn(2, 3, DIM), torch.arange(3).expand(2, 3)),
        Confounders(torch.randn(4, DIM), torch.tensor([0.5, 0.25, 0.15, 0.1]), tuple("abcd")),
    )
    exact = TextTranslation(DIM)(f, z).features
    layers = (TextTranslation(DIM, MonteCarlo(5, seed)).eval() for seed in range(400))
    draws = torch.stack([layer(f, z).features for layer in layers])
    error = draws.std(dim=0) / len(draws) ** 0.5
    assert error.max() > 0
    assert ((draws.mean(dim=0) - exact).abs() <= 5 * error + 1e-12).all()


@given(f=regions(), z=confounders(), scale=st.floats(0.01, 100))
def test_a_longer_region_moves_as_much_further(f, z, scale) -> None:
    f, z = doubled(f, z)
    layer = TextTranslation(DIM)
    longer = layer.effects(Regions(scale * f.features, f.index), z)
    torch.testing.assert_close(longer, scale * layer.effects(f, z), atol=1e-8, rtol=1e-8)


@given(f=regions(), z=confounders())
def test_differences_between_effects_are_those_of_the_texts(f, z) -> None:
    f, z = doubled(f, z)
    effects = TextTranslation(DIM).effects(f, z)
    length = f.features.norm(dim=-1)[..., None]
    for m, v in enumerate(z.embeddings):
        expected = length * (v - z.embeddings[0])
        torch.testing.assert_close(effects[:, m] - effects[:, 0], expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("estimator", list(estimators))
@given(f=regions(), z=confounders())
def test_strength_zero_is_the_identity_bit_for_bit(estimator, f, z) -> None:
    assert torch.equal(TextTranslation(DIM, estimator, strength=0)(f, z).features, f.features)


def test_do_moves_a_region_to_the_confounder_that_is_asked_for() -> None:
    """A region made of content and one confounder is read, after do(z), as the other."""
    basis = torch.linalg.qr(torch.randn(DIM, DIM, dtype=torch.float64))[0]
    content, a, b = basis[0], basis[1], basis[2]
    z = Confounders(torch.stack([a, b]), torch.full((2,), 0.5).double(), ("a", "b"))
    seen = torch.nn.functional.normalize(content + a, dim=0)
    f = Regions(seen[None, None], torch.zeros(1, 1, dtype=torch.int64))
    layer = TextTranslation(DIM, strength=0.5**0.5)
    stays, moves = layer.effects(f, z)[0, :, 0]
    torch.testing.assert_close(stays, seen)
    torch.testing.assert_close(moves, torch.nn.functional.normalize(content + b, dim=0))


def test_it_declares_effects_and_so_has_a_jensen_gap() -> None:
    layer, head = TextTranslation(DIM).double(), torch.nn.Linear(DIM, 1).double()
    z = Confounders(torch.randn(4, DIM).double(), torch.full((4,), 0.25).double(), tuple("abcd"))
    f = Regions(torch.randn(1, 4, DIM).double(), torch.arange(4)[None])
    assert isinstance(layer, HasEffects)
    effects = layer.effects(f, z)
    assert jensen_gap(head, effects, z.prior).abs().max() < 1e-9
    assert jensen_gap(lambda x: head(x).square(), effects, z.prior).min() > 0


def test_a_whole_model_explains_each_confounder_untrained() -> None:
    model = CausalSegmenter(vlm=tiny_vlm(), intervention="translation").eval()
    said = model.explain(torch.randn(2, 3, 64, 64))
    summed = torch.einsum("m,bmnd->bnd", said.confounders.prior, said.effects)
    torch.testing.assert_close(said.intervened.features, summed, atol=1e-4, rtol=1e-4)
    assert (said.effects[:, 0] - said.effects[:, 1]).abs().max() > 1e-4


def test_it_is_built_again_from_json() -> None:
    layer = TextTranslation(DIM, "prior_mean", strength=0.4, temperature=0.2)
    spec = json.loads(json.dumps({"name": "translation", **layer.options()}))
    assert interventions.build(spec).options() == layer.options()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strength": -1}, "translation strength must be >= 0, found -1"),
        ({"temperature": 0}, "translation temperature must be > 0, found 0"),
    ],
)
def test_settings_out_of_range(options, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        TextTranslation(DIM, **options)
