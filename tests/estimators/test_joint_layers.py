"""Outcome models that depend on region and confounder jointly, under every estimator."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError, ShapeError, UnknownNameError
from deconfound.estimators import Enumeration, MonteCarlo, estimators
from deconfound.interventions import (
    FiLMIntervention,
    GatedMLPIntervention,
    HasEffects,
    InterventionLayer,
    interventions,
)
from deconfound.testing import InterventionLayerContract
from deconfound.testing.strategies import DIM, confounders, regions
from deconfound.types import Confounders, Regions

LAYERS = {"gated_mlp": GatedMLPIntervention, "film": FiLMIntervention}
SPECS = [*estimators, {"name": "monte_carlo", "samples": 7, "seed": 3}]


def randomised(name: str, estimator="enumeration", seed: int = 0) -> InterventionLayer:
    layer, g = LAYERS[name](DIM, estimator).double(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=g))
    return layer.eval()


def doubled(f: Regions, z: Confounders) -> tuple[Regions, Confounders]:
    prior = z.prior.double()
    return (
        Regions(f.features.double(), f.index),
        Confounders(z.embeddings.double(), prior / prior.sum(), z.names),
    )


class TestGatedMLPEnumeration(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return GatedMLPIntervention(dim)


class TestGatedMLPPriorMean(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return GatedMLPIntervention(dim, "prior_mean")


class TestGatedMLPAttention(InterventionLayerContract):
    tolerance = 1e-4  # cosines are divided by T = 0.01, and their rounding with them

    def make(self, dim: int) -> InterventionLayer:
        return GatedMLPIntervention(dim, "attention")


class TestFiLMEnumeration(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return FiLMIntervention(dim)


class TestFiLMPriorMean(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return FiLMIntervention(dim, "prior_mean")


class TestFiLMAttention(InterventionLayerContract):
    tolerance = 1e-4

    def make(self, dim: int) -> InterventionLayer:
        return FiLMIntervention(dim, "attention")


class DrawnContract(InterventionLayerContract):
    """The contract for a layer that draws: two of its laws hold on average and not at each draw.

    Which confounder a draw falls on depends on the order of the dictionary, and on how often one is
    said. So the layer after the change is held against the exact sum before it, over many seeds.
    """

    def over_seeds(self, f: Regions, z: Confounders, count: int = 400) -> torch.Tensor:
        layer = self.layer().double()
        features = []
        for seed in range(count):
            layer.estimator = MonteCarlo(layer.estimator.samples, seed).eval()
            features.append(layer(f, z).features)
        return torch.stack(features)

    def exact(self, f: Regions, z: Confounders) -> torch.Tensor:
        layer = self.layer().double()
        layer.estimator = Enumeration()
        return layer(f, z).features

    def close_on_average(self, draws: torch.Tensor, expected: torch.Tensor) -> None:
        error = draws.std(dim=0) / len(draws) ** 0.5
        assert error.max() > 0
        assert ((draws.mean(dim=0) - expected).abs() <= 5 * error + 1e-12).all()

    def case(self) -> tuple[Regions, Confounders]:
        g = torch.Generator().manual_seed(1)
        features = torch.randn(2, 3, DIM, generator=g, dtype=torch.float64)
        z = torch.randn(4, DIM, generator=g, dtype=torch.float64)
        prior = torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64)
        return Regions(features, torch.arange(3).expand(2, 3)), Confounders(z, prior, tuple("abcd"))

    def test_the_order_of_confounders_means_nothing(self) -> None:
        f, z = self.case()
        order = [2, 0, 3, 1]
        permuted = Confounders(z.embeddings[order], z.prior[order], tuple("cadb"))
        self.close_on_average(self.over_seeds(f, permuted), self.exact(f, z))

    def test_a_duplicate_is_a_doubled_prior(self) -> None:
        f, z = self.case()
        prior = torch.tensor([0.25, 0.25, 0.15, 0.1, 0.25], dtype=torch.float64)
        twice = Confounders(torch.cat([z.embeddings, z.embeddings[:1]]), prior, tuple("abcde"))
        self.close_on_average(self.over_seeds(f, twice), self.exact(f, z))


class TestGatedMLPMonteCarlo(DrawnContract):
    def make(self, dim: int) -> InterventionLayer:
        return GatedMLPIntervention(dim, {"name": "monte_carlo", "samples": 5})


class TestFiLMMonteCarlo(DrawnContract):
    def make(self, dim: int) -> InterventionLayer:
        return FiLMIntervention(dim, "monte_carlo")


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("estimator", SPECS, ids=str)
@given(f=regions(), z=confounders(), training=st.booleans())
def test_an_untrained_layer_is_the_identity_bit_for_bit(name, estimator, f, z, training) -> None:
    layer = LAYERS[name](DIM, estimator).train(training)
    assert torch.equal(layer(f, z).features, f.features)
    unchanged = f.features[:, None].expand(-1, len(z.names), -1, -1)
    assert torch.equal(layer.effects(f, z), unchanged)


@given(f=regions(), z=confounders())
def test_film_against_the_equation(f, z) -> None:
    f, z = doubled(f, z)
    layer = randomised("film")
    effects = layer.effects(f, z)
    for m, vector in enumerate(z.embeddings):
        gamma = layer.scale.weight @ vector + layer.scale.bias
        beta = layer.shift.weight @ vector + layer.shift.bias
        torch.testing.assert_close(effects[:, m], f.features * (1 + gamma) + beta)


@given(f=regions(), z=confounders())
def test_the_gated_mlp_against_the_equation(f, z) -> None:
    """f + g ⊙ MLP([LN f, LN Wz]), pair by pair, with one matrix over both halves."""
    f, z = doubled(f, z)
    layer = randomised("gated_mlp")
    first = torch.cat([layer.from_regions.weight, layer.from_confounders.weight], dim=1)
    effects = layer.effects(f, z)
    for m, vector in enumerate(z.embeddings):
        embedded = layer.norm_confounders(layer.embed.weight @ vector)
        pair = torch.cat([layer.norm_regions(f.features), embedded.expand_as(f.features)], dim=-1)
        hidden = F.gelu(F.linear(pair, first, layer.from_regions.bias))
        answer = F.linear(hidden, layer.out.weight, layer.out.bias)
        torch.testing.assert_close(effects[:, m], f.features + layer.gate * answer)


@pytest.mark.parametrize("name", LAYERS)
def test_what_a_confounder_does_depends_on_the_region(name) -> None:
    """A(f, z₁) - A(f, z₂) is another for another f, so that there is something to enumerate."""
    layer = randomised(name)
    f = Regions(torch.randn(1, 2, DIM).double(), torch.arange(2)[None])
    z = Confounders(torch.randn(2, DIM).double(), torch.full((2,), 0.5).double(), ("a", "b"))
    effects = layer.effects(f, z)[0]
    difference = effects[0] - effects[1]
    assert (difference[0] - difference[1]).abs().max() > 1e-3


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("estimator", SPECS, ids=str)
def test_a_layer_is_built_again_from_json_and_its_weights(name, estimator) -> None:
    layer = randomised(name, estimator)
    assert isinstance(layer, HasEffects)
    spec = json.loads(json.dumps({"name": interventions.name_of(layer), **layer.options()}))
    again = interventions.build(spec).double().eval()
    again.load_state_dict(layer.state_dict())
    f = Regions(torch.randn(2, 3, DIM).double(), torch.arange(3).expand(2, 3))
    z = Confounders(torch.randn(4, DIM).double(), torch.full((4,), 0.25).double(), tuple("abcd"))
    assert torch.equal(again(f, z).features, layer(f, z).features)
    assert torch.equal(again(f, z).weights, layer(f, z).weights)


@pytest.mark.parametrize("name", LAYERS)
def test_one_set_of_parameters_behind_every_estimator(name) -> None:
    keys = {tuple(LAYERS[name](DIM, spec).state_dict()) for spec in SPECS}
    assert len(keys) == 1


def test_weights_as_documented() -> None:
    def matrices(layer):
        return sum(p.numel() for p in layer.parameters() if p.ndim == 2)

    assert matrices(GatedMLPIntervention(64)) == 4 * 64**2
    assert matrices(FiLMIntervention(64)) == 2 * 64**2


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("estimator", ["enumeration", "attention", "prior_mean"])
def test_gradcheck(name, estimator) -> None:
    options = {"name": estimator, "temperature": 0.5} if estimator == "attention" else estimator
    layer = randomised(name, options)
    z = Confounders(torch.randn(3, DIM).double(), torch.full((3,), 1 / 3).double(), tuple("abc"))
    features = torch.randn(1, 2, DIM, dtype=torch.float64, requires_grad=True)
    index = torch.arange(2)[None]
    assert torch.autograd.gradcheck(lambda x: layer(Regions(x, index), z).features, (features,))


@pytest.mark.parametrize(
    ("estimator", "error", "message"),
    [
        ("enumerate", UnknownNameError, "unknown estimator 'enumerate'; did you mean enumeration"),
        (
            {"samples": 3},
            ConfigurationError,
            "needs a `name`, one of: attention, enumeration",
        ),
        ({"name": "monte_carlo", "sample": 3}, UnknownNameError, "did you mean samples"),
        ({"name": "monte_carlo", "samples": 0}, ConfigurationError, "at least 1, found 0"),
        ({"name": "attention", "temperature": 0}, ConfigurationError, "must be > 0, found 0"),
        (3, ConfigurationError, "expected an estimator, its name, or a mapping with `name`"),
    ],
)
@pytest.mark.parametrize("name", LAYERS)
def test_every_mistake_is_one_sentence(name, estimator, error, message) -> None:
    with pytest.raises(error) as caught:
        LAYERS[name](DIM, estimator)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ask", ["forward", "effects"])
@pytest.mark.parametrize("name", LAYERS)
def test_widths_are_checked_at_the_boundary(name, ask) -> None:
    layer = LAYERS[name](DIM, "prior_mean")
    index, prior = torch.zeros(1, 1, dtype=torch.int64), torch.full((2,), 0.5)
    narrow, wide = torch.randn(1, 1, 8), torch.randn(1, 1, DIM)
    with pytest.raises(ShapeError, match=r"Intervention: expected regions \(B, N, 16\)"):
        getattr(layer, ask)(Regions(narrow, index), Confounders(torch.randn(2, DIM), prior, ("a",)))
    with pytest.raises(ShapeError, match=r"expected confounders \(M, 16\)"):
        getattr(layer, ask)(Regions(wide, index), Confounders(torch.randn(2, 8), prior, ("a", "b")))
