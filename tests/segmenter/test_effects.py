"""The whole model over an outcome model that says what each single confounder would do."""

from __future__ import annotations

import pytest
import torch

from deconfound import CausalSegmenter
from deconfound.diagnostics import counterfactual_masks
from deconfound.errors import ConfigurationError, UnknownNameError
from tests.tiny import tiny_vlm

DECODER = {"name": "Unet", "decoder_channels": (16, 16, 8, 8, 8)}


@pytest.mark.parametrize("intervention", ["film", "gated_mlp"])
def test_explaining_says_what_each_confounder_would_do(intervention, tmp_path) -> None:
    model = CausalSegmenter(DECODER, vlm=tiny_vlm(), intervention=intervention)
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


def speaking(classes: int = 1, **options) -> CausalSegmenter:
    """A model in which every confounder does something else, always the same one."""
    torch.manual_seed(0)
    options = {"intervention": "gated_mlp", **options}
    model = CausalSegmenter(DECODER, vlm=tiny_vlm(), classes=classes, **options)
    with torch.no_grad():
        for parameter in [*model.intervention.parameters(), *model.fusion.parameters()]:
            parameter.normal_(std=0.3)
    return model.eval()


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(dim=1)


@pytest.mark.parametrize("classes", [1, 6])
def test_behind_the_decoder_the_average_is_that_of_the_masks_under_each(classes, tmp_path) -> None:
    images = torch.rand(2, 3, 64, 64)
    before, model = speaking(classes), speaking(classes, average="probability")
    under_each = counterfactual_masks(before, images).probabilities  # (M, B, C, H, W)
    prior = before.dictionary().prior
    expected = torch.einsum("m,mbchw->bchw", prior, under_each)
    with torch.no_grad():
        found = probabilities(model(model.normalize(images)))
        feature = probabilities(before(before.normalize(images)))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert (feature - expected).abs().max() > 1e-4
    model.save_pretrained(tmp_path)
    again = CausalSegmenter.from_pretrained(tmp_path)
    assert again.average == "probability"
    torch.testing.assert_close(probabilities(again(again.normalize(images))), found)


def test_a_training_by_standardisation_weighs_the_masks_by_what_a_picture_shows() -> None:
    """The g-formula where it belongs: Σ_z P(z|x) P(y|f, z) to learn, P(z) to predict."""
    options = {"intervention": {"name": "gated_mlp", "estimator": "standardisation"}}
    images = torch.rand(2, 3, 64, 64)
    model = speaking(average="probability", **options)
    under_each = counterfactual_masks(speaking(**options), images).probabilities
    with torch.no_grad():
        model.intervention.train()
        traced = model.trace(model.normalize(images))
    read = traced.intervened.weights.mean(dim=1)  # (B, M)
    assert (read - traced.confounders.prior).abs().max() > 0.01
    expected = torch.einsum("bm,mbchw->bchw", read, under_each)
    torch.testing.assert_close(probabilities(traced.logits), expected, atol=1e-5, rtol=1e-4)


def test_a_training_step_reaches_the_outcome_model() -> None:
    model = speaking(average="logit").train()
    model(torch.rand(2, 3, 64, 64)).mean().backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all() for p in model.intervention.parameters()
    )


def test_a_layer_without_effects_cannot_be_averaged_behind() -> None:
    with pytest.raises(ConfigurationError, match="take film or gated_mlp"):
        CausalSegmenter(DECODER, vlm=tiny_vlm(), average="probability")
    with pytest.raises(UnknownNameError, match="did you mean logit"):
        CausalSegmenter(DECODER, vlm=tiny_vlm(), intervention="film", average="logits")
