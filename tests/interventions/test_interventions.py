"""Interventions: the contract, and cross-attention against the plainly written equation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError, DeconfoundWarning, ShapeError, UnknownNameError
from deconfound.interventions import CrossAttentionIntervention, Identity, InterventionLayer
from deconfound.testing import InterventionLayerContract
from deconfound.testing.strategies import DIM, confounders, regions
from deconfound.types import Confounders, Regions


class TestIdentity(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return Identity()


class TestGated(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return CrossAttentionIntervention(dim, depth=2, heads=4)


class TestAdd(InterventionLayerContract):
    tolerance = 1e-4

    def make(self, dim: int) -> InterventionLayer:
        return CrossAttentionIntervention(dim, depth=1, heads=2, merge="add", temperature=0.7)


@pytest.mark.filterwarnings("ignore::deconfound.errors.DeconfoundWarning")
class TestReplace(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return CrossAttentionIntervention(dim, depth=1, heads=4, merge="replace")


def randomised(**options) -> CrossAttentionIntervention:
    layer = CrossAttentionIntervention(DIM, **options).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.5)
    return layer


def doubled(f: Regions, z: Confounders) -> tuple[Regions, Confounders]:
    return (
        Regions(f.features.double(), f.index),
        Confounders(z.embeddings.double(), z.prior.double() / z.prior.double().sum(), z.names),
    )


def plain_layer(layer, features, z, prior, temperature):
    """Equation by equation, with torch's own attention and nothing folded."""

    def heads(x):
        return x.unflatten(-1, (layer.heads, -1)).transpose(-2, -3)

    batch, num_regions, _ = features.shape
    tokens = layer.norm_confounders(z).expand(batch, -1, -1)
    attended = F.scaled_dot_product_attention(
        heads(layer.query(layer.norm_regions(features))),
        heads(layer.key(tokens)),
        heads(layer.value(tokens)),
        attn_mask=prior.log().expand(num_regions, -1),
        scale=(features.shape[-1] // layer.heads) ** -0.5 / temperature,
    )
    answer = layer.out(attended.transpose(-2, -3).flatten(-2))
    if layer.merge == "gated":
        features = features + layer.gate_attention * answer
        return features + layer.gate_ffn * layer.ffn(features)
    features = answer if layer.merge == "replace" else features + answer
    return features + layer.ffn(features)


@pytest.mark.filterwarnings("ignore::deconfound.errors.DeconfoundWarning")
@pytest.mark.parametrize("merge", ["gated", "add", "replace"])
@given(f=regions(), z=confounders(), temperature=st.floats(0.1, 10), depth=st.integers(1, 3))
def test_against_scaled_dot_product_attention(merge, f, z, temperature, depth) -> None:
    f, z = doubled(f, z)
    model = randomised(depth=depth, heads=4, temperature=temperature, merge=merge)
    expected = f.features
    for layer in model.layers:
        expected = plain_layer(layer, expected, z.embeddings, z.prior, temperature)
    torch.testing.assert_close(model(f, z).features, expected, atol=1e-9, rtol=1e-9)


@given(f=regions(), z=confounders())
def test_infinite_temperature_weighs_by_the_prior(f, z) -> None:
    f, z = doubled(f, z)
    weights = randomised(depth=2, heads=4, temperature=float("inf"))(f, z).weights
    torch.testing.assert_close(weights, z.prior.expand_as(weights))


@given(f=regions(), z=confounders())
def test_a_growing_temperature_approaches_the_prior(f, z) -> None:
    f, z = doubled(f, z)
    torch.manual_seed(0)
    model = randomised(depth=1, heads=4)
    distances = []
    for temperature in (1.0, 1e2, 1e4):
        model.layers[0].scale = (DIM // 4) ** -0.5 / temperature
        distances.append((model(f, z).weights - z.prior).abs().max().item())
    assert distances[2] <= distances[1] + 1e-12
    assert distances[2] < 1e-3


@given(f=regions(), z=confounders(), depth=st.integers(1, 5))
def test_an_untrained_gate_is_the_identity_bit_for_bit(f, z, depth) -> None:
    assert torch.equal(CrossAttentionIntervention(DIM, depth=depth)(f, z).features, f.features)


@given(f=regions(), z=confounders())
def test_a_confounder_of_prior_zero_has_no_weight_and_no_influence(f, z) -> None:
    f, z = doubled(f, z)
    extra = Confounders(
        torch.cat([z.embeddings, torch.randn(1, DIM, dtype=torch.float64)]),
        torch.cat([z.prior, z.prior.new_zeros(1)]),
        (*z.names, "never"),
    )
    model = randomised(heads=4)
    out = model(f, extra)
    assert (out.weights[..., -1] == 0).all()
    torch.testing.assert_close(out.features, model(f, z).features)


def test_a_layer_has_six_d_squared_weights() -> None:
    """The paper's Table 5 implies 6.27 M a layer, which is 6d² at d = 1024."""
    matrices = [p for p in CrossAttentionIntervention(64, depth=1).parameters() if p.ndim == 2]
    assert sum(p.numel() for p in matrices) == 6 * 64**2


def test_replacing_keeps_no_spatial_content() -> None:
    """Attention alone lies in the span of a few values: affine rank at most heads·(M-1)."""
    torch.manual_seed(0)
    with pytest.warns(DeconfoundWarning, match="literal equation"):
        model = CrossAttentionIntervention(64, depth=1, heads=2, merge="replace").double()
    f = torch.randn(1, 100, 64, dtype=torch.float64)
    z, prior = torch.randn(4, 64, dtype=torch.float64), torch.full((4,), 0.25, dtype=torch.float64)
    layer = model.layers[0]
    answer = torch.einsum("bnhm,hmd->bnd", layer.attend(f, z, prior), layer.folded_values(z))[0]
    assert torch.linalg.matrix_rank(answer - answer.mean(0)) <= 2 * (4 - 1)


@pytest.mark.filterwarnings("ignore::deconfound.errors.DeconfoundWarning")
def test_replacing_forgets_regions_that_attend_alike() -> None:
    """At T → ∞ every region weighs alike, so what it looked like is gone; a residual keeps it."""
    z = Confounders(torch.randn(3, DIM).double(), torch.full((3,), 1 / 3).double(), ("a", "b", "c"))
    f = Regions(torch.randn(1, 5, DIM, dtype=torch.float64), torch.arange(5)[None])
    spread = {}
    for merge in ("replace", "add"):
        model = randomised(depth=1, heads=4, temperature=float("inf"), merge=merge)
        spread[merge] = model(f, z).features.std(dim=1).max().item()
    assert spread["replace"] < 1e-12
    assert spread["add"] > 0.1


def test_gradcheck() -> None:
    model = randomised(depth=1, heads=4)
    z = Confounders(torch.randn(3, DIM).double(), torch.full((3,), 1 / 3).double(), ("a", "b", "c"))
    features = torch.randn(1, 2, DIM, dtype=torch.float64, requires_grad=True)
    index = torch.arange(2)[None]
    assert torch.autograd.gradcheck(lambda x: model(Regions(x, index), z).features, (features,))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"depth": 0}, ConfigurationError, "depth must be 1 to 5, found 0"),
        ({"depth": 6}, ConfigurationError, "depth must be 1 to 5, found 6"),
        ({"heads": 5}, ConfigurationError, "heads must divide dim=16, found 5"),
        ({"temperature": 0}, ConfigurationError, "temperature must be > 0, found 0"),
        ({"merge": "gate"}, UnknownNameError, "did you mean gated"),
    ],
)
def test_settings_out_of_range(options, error, message) -> None:
    with pytest.raises(error, match=message):
        CrossAttentionIntervention(DIM, **options)


def test_widths_are_checked_at_the_boundary() -> None:
    model, index = CrossAttentionIntervention(DIM), torch.zeros(1, 1, dtype=torch.int64)
    z = Confounders(torch.randn(2, DIM), torch.full((2,), 0.5), ("a", "b"))
    with pytest.raises(
        ShapeError, match=r"CrossAttentionIntervention: expected regions \(B, N, 16\)"
    ):
        model(Regions(torch.randn(1, 1, 8), index), z)
    with pytest.raises(ShapeError, match=r"expected confounders \(M, 16\)"):
        model(
            Regions(torch.randn(1, 1, DIM), index), Confounders(torch.randn(2, 8), z.prior, z.names)
        )
    with pytest.raises(ShapeError, match=r"expected a prior \(2,\)"):
        model(
            Regions(torch.randn(1, 1, DIM), index),
            Confounders(z.embeddings, torch.ones(3) / 3, z.names),
        )
