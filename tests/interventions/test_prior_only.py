"""The sum by the prior alone: what it is, and that it cannot adjust."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given

from deconfound import CausalSegmenter
from deconfound.errors import ShapeError
from deconfound.interventions import InterventionLayer, PriorOnlyIntervention
from deconfound.testing import InterventionLayerContract
from deconfound.testing.strategies import DIM, confounders, regions
from deconfound.types import Confounders, Regions
from tests.tiny import tiny_vlm


class TestPriorOnly(InterventionLayerContract):
    def make(self, dim: int) -> InterventionLayer:
        return PriorOnlyIntervention(dim)


def randomised() -> PriorOnlyIntervention:
    layer = PriorOnlyIntervention(DIM)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer


@given(f=regions(), z=confounders())
def test_it_is_its_effects_averaged_by_the_prior(f, z) -> None:
    layer = randomised()
    expected = torch.einsum("m,bmnd->bnd", z.prior, layer.effects(f, z))
    torch.testing.assert_close(layer(f, z).features, expected, atol=1e-5, rtol=1e-5)


@given(f=regions(), z=confounders())
def test_every_region_changes_alike(f, z) -> None:
    change = randomised()(f, z).features - f.features
    torch.testing.assert_close(change, change[:1, :1].expand_as(change), atol=1e-5, rtol=1e-5)


@given(f=regions(), z=confounders())
def test_a_head_takes_it_back_by_its_bias(f, z) -> None:
    """Whatever is learned on F_ca by a layer with a bias is learned on F too."""
    layer, head = randomised(), torch.nn.Linear(DIM, 3)
    intervened = head(layer(f, z).features)
    constant = layer.gate * layer.project(z.prior @ z.embeddings)
    without = f.features @ head.weight.T + (head.bias + head.weight @ constant)
    torch.testing.assert_close(intervened, without, atol=1e-4, rtol=1e-4)


@given(f=regions(), z=confounders())
def test_only_the_mean_of_the_dictionary_counts(f, z) -> None:
    """Any dictionary of the same mean gives the same: one of no contrast at all too."""
    layer, mean = randomised(), z.prior @ z.embeddings
    flat = Confounders(mean.expand_as(z.embeddings), z.prior, z.names)
    torch.testing.assert_close(layer(f, flat).features, layer(f, z).features, atol=1e-5, rtol=1e-5)


@given(f=regions(), z=confounders())
def test_an_untrained_gate_is_the_identity_bit_for_bit(f, z) -> None:
    assert torch.equal(PriorOnlyIntervention(DIM)(f, z).features, f.features)


def test_a_model_explains_its_effects() -> None:
    model = CausalSegmenter(vlm=tiny_vlm(), intervention="prior_only").eval()
    said = model.explain(torch.randn(1, 3, 64, 64))
    assert said.effects.shape[:2] == (1, 12)


def test_regions_of_another_width() -> None:
    f = Regions(torch.zeros(1, 2, 8), torch.arange(2)[None])
    z = Confounders(torch.zeros(2, DIM), torch.full((2,), 0.5), ("a", "b"))
    with pytest.raises(ShapeError, match=r"expected regions \(B, N, 16\), found \(1, 2, 8\)"):
        PriorOnlyIntervention(DIM)(f, z)
