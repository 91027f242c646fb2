"""Front-door attention: the contract, and both attentions against independent ones."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from deconfound import CausalSegmenter
from deconfound.errors import ConfigurationError
from deconfound.interventions import (
    CrossAttentionIntervention,
    FrontDoorIntervention,
    HasEffects,
    InterventionLayer,
)
from deconfound.testing import InterventionLayerContract
from deconfound.testing.strategies import DIM, confounders, regions
from deconfound.types import Confounders, Regions
from tests.tiny import tiny_vlm


class TestFrontDoor(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return FrontDoorIntervention(dim, heads=4)


class TestFrontDoorByThePrior(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return FrontDoorIntervention(dim, heads=2, temperature=math.inf)


def randomised(**options) -> FrontDoorIntervention:
    layer = FrontDoorIntervention(DIM, **options).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.5)
    return layer


def doubled(f: Regions, z: Confounders) -> tuple[Regions, Confounders]:
    prior = z.prior.double()
    return (
        Regions(f.features.double(), f.index),
        Confounders(z.embeddings.double(), prior / prior.sum(), z.names),
    )


@given(f=regions(), z=confounders(), heads=st.sampled_from([1, 2, 4]))
def test_in_sample_attention_is_torchs_self_attention(f, z, heads) -> None:
    f, z = doubled(f, z)
    layer = randomised(heads=heads)
    asked = layer.norm_regions(f.features)
    parts = [layer.in_sample[part].weight for part in ("query", "key", "value")]
    oracle = torch.nn.MultiheadAttention(DIM, heads, bias=False, batch_first=True).double()
    with torch.no_grad():
        oracle.in_proj_weight.copy_(torch.cat(parts))
        oracle.out_proj.weight.copy_(torch.eye(DIM))
    expected, _ = oracle(asked, asked, asked)
    torch.testing.assert_close(layer.attend_within(asked), expected, atol=1e-9, rtol=1e-9)


@given(f=regions(), z=confounders(), temperature=st.floats(0.1, 10))
def test_cross_sample_attention_is_the_references(f, z, temperature) -> None:
    """Oracle: the folded cross-attention layer, given the same matrices."""
    f, z = doubled(f, z)
    layer = randomised(heads=4, temperature=temperature)
    reference = CrossAttentionIntervention(DIM, 1, 4, temperature, "add").double().layers[0]
    with torch.no_grad():
        for part in ("query", "key", "value"):
            getattr(reference, part).weight.copy_(layer.cross_sample[part].weight)
        reference.out.weight.copy_(torch.eye(DIM))
        reference.norm_regions.load_state_dict(layer.norm_regions.state_dict())
        reference.norm_confounders.load_state_dict(layer.norm_samples.state_dict())
    by_head = reference.attend(f.features, z.embeddings, z.prior)
    expected = torch.einsum("bnhm,hmd->bnd", by_head, reference.folded_values(z.embeddings))
    found, weights = layer.attend_across(layer.norm_regions(f.features), z)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(weights, by_head.mean(dim=2), atol=1e-9, rtol=1e-9)


@given(f=regions(), z=confounders())
def test_both_answers_join_the_region_through_the_gate(f, z) -> None:
    f, z = doubled(f, z)
    layer = randomised(heads=4)
    asked = layer.norm_regions(f.features)
    within, (across, _) = layer.attend_within(asked), layer.attend_across(asked, z)
    left, right = layer.out.weight.split(DIM, dim=1)
    expected = f.features + layer.gate * (within @ left.T + across @ right.T)
    torch.testing.assert_close(layer(f, z).features, expected, atol=1e-9, rtol=1e-9)


@given(f=regions(), z=confounders())
def test_infinite_temperature_sums_other_pictures_by_their_prior(f, z) -> None:
    """Σ_x' P(x') as the front-door formula has it: the same for every region."""
    f, z = doubled(f, z)
    layer = randomised(heads=4, temperature=math.inf)
    across, weights = layer.attend_across(layer.norm_regions(f.features), z)
    mean = z.prior @ layer.cross_sample["value"](layer.norm_samples(z.embeddings))
    torch.testing.assert_close(across, mean.expand_as(across))
    torch.testing.assert_close(weights, z.prior.expand_as(weights))


@given(f=regions(), z=confounders(), data=st.data())
def test_the_order_of_regions_means_nothing(f, z, data) -> None:
    f, z = doubled(f, z)
    order = data.draw(st.permutations(range(f.index.shape[1])))
    layer = randomised(heads=4)
    permuted = Regions(f.features[:, order], f.index[:, order])
    torch.testing.assert_close(layer(permuted, z).features, layer(f, z).features[:, order])


@given(f=regions(), z=confounders())
def test_a_sample_of_prior_zero_has_no_weight_and_no_influence(f, z) -> None:
    f, z = doubled(f, z)
    extra = Confounders(
        torch.cat([z.embeddings, torch.zeros(1, DIM, dtype=torch.float64)]),
        torch.cat([z.prior, z.prior.new_zeros(1)]),
        (*z.names, "never"),
    )
    layer = randomised(heads=4)
    out = layer(f, extra)
    assert (out.weights[..., -1] == 0).all()
    torch.testing.assert_close(out.features, layer(f, z).features)


@given(f=regions(), z=confounders())
def test_an_untrained_gate_is_the_identity_bit_for_bit(f, z) -> None:
    assert torch.equal(FrontDoorIntervention(DIM)(f, z).features, f.features)


def test_a_region_hears_the_others_of_its_picture() -> None:
    f = torch.randn(1, 3, DIM, dtype=torch.float64)
    z = Confounders(torch.randn(2, DIM).double(), torch.full((2,), 0.5).double(), ("a", "b"))
    index = torch.arange(3)[None]
    layer = randomised(heads=4)
    before = layer(Regions(f, index), z).features[:, 0]
    f[:, 2] += F.normalize(torch.randn(DIM, dtype=torch.float64), dim=0)
    assert not torch.allclose(layer(Regions(f, index), z).features[:, 0], before)


def test_it_has_no_answer_for_a_single_confounder() -> None:
    assert not isinstance(FrontDoorIntervention(DIM), HasEffects)


def test_it_learns_inside_a_whole_model() -> None:
    """Fusion and gate both start at zero: the first step moves the one, the second the other."""
    model = CausalSegmenter(vlm=tiny_vlm(), intervention={"name": "front_door", "heads": 4})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(2, 3, 64, 64)).square().mean().backward()
        optimizer.step()
    gate = model.intervention.gate
    assert gate.isfinite().all()
    assert gate.abs().max() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "heads must divide dim=16, found 3"),
        ({"heads": 0}, "heads must divide dim=16, found 0"),
        ({"temperature": 0}, "temperature must be > 0, found 0"),
        ({"temperature": math.nan}, "temperature must be > 0, found nan"),
    ],
)
def test_every_mistake_is_one_sentence(options, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        FrontDoorIntervention(DIM, **options)
