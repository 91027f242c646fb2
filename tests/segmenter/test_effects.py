"""The whole model over an outcome model that says what each single confounder would do."""

from __future__ import annotations

import copy

import pytest
import torch

from deconfound import CausalSegmenter
from tests.tiny import tiny_vlm

DECODER = {"name": "Unet", "decoder_channels": (16, 16, 8, 8, 8)}


@pytest.mark.parametrize("intervention", ["film", "gated_mlp"])
def test_explaining_says_what_each_confounder_would_do(intervention, tmp_path) -> None:
    model = CausalSegmenter(DECODER, vlm=copy.deepcopy(tiny_vlm()), intervention=intervention)
    with torch.no_grad():
        for parameter in [*model.intervention.parameters(), *model.fusion.parameters()]:
            parameter.normal_(std=0.3)
    model.eval()
    images = torch.randn(2, 3, 64, 80)
    said = model.explain(images)
    batch, count, dim = said.regions.features.shape
    assert said.effects.shape == (batch, 12, count, dim)
    assert (said.effects[:, 0] - said.effects[:, 1]).abs().max() > 1e-4
    # the intervention is the sum over these, by the prior
    summed = torch.einsum("m,bmnd->bnd", said.confounders.prior, said.effects)
    torch.testing.assert_close(said.intervened.features, summed, atol=1e-5, rtol=1e-4)
    model.save_pretrained(tmp_path)
    again = CausalSegmenter.from_pretrained(tmp_path)
    assert torch.equal(again(images), said.logits)
