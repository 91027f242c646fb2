"""Masks under do(z): those of a dictionary of one, and no spread where z does nothing."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from deconfound.diagnostics import Counterfactuals, counterfactual_masks, mask_jensen_gap
from deconfound.diagnostics.swapping import FixedDictionary, swapped
from deconfound.errors import ConfigurationError, ShapeError
from deconfound.types import Confounders


@pytest.mark.parametrize("layer", ["film", "gated_mlp"])
@pytest.mark.parametrize("classes", [1, 6])
def test_it_is_the_model_whose_dictionary_holds_one_confounder(
    build, images, layer, classes
) -> None:
    model = build(layer, classes=classes)
    found = counterfactual_masks(model, images)
    assert found.probabilities.shape == (12, 4, classes, 32, 32)
    z = model.dictionary()
    alone = Confounders(z.embeddings[5:6], torch.ones(1), z.names[5:6])
    with torch.no_grad(), swapped(model, dictionary=FixedDictionary(alone)):
        logits = model(model.normalize(images))
    expected = logits.sigmoid() if classes == 1 else logits.softmax(dim=1)
    torch.testing.assert_close(found.probabilities[5], expected, atol=1e-5, rtol=1e-4)
    assert found.spread.shape == (4, 32, 32)
    assert found.spread.max() > 1e-4


def test_a_move_from_what_is_shown_is_not_lost(build, images) -> None:
    """A text translation starts from what a region shows among *all* confounders."""
    found = counterfactual_masks(build("translation"), images)
    assert found.spread.max() > 1e-4


def test_equal_confounders_have_no_spread(build, images) -> None:
    model = build()
    z = model.dictionary()
    same = Confounders(z.embeddings[:1].expand(3, -1), torch.ones(3) / 3, z.names[:3])
    with swapped(model, dictionary=FixedDictionary(same)):
        found = counterfactual_masks(model, images)
    assert found.spread.max() < 1e-6


def test_the_spread_is_a_standard_deviation() -> None:
    p = torch.rand(5, 2, 3, 4, 4, dtype=torch.float64)
    expected = torch.as_tensor(p.numpy().std(axis=0).max(axis=1))
    torch.testing.assert_close(Counterfactuals(("z",) * 5, p).spread, expected)


@pytest.mark.parametrize("estimator", ["enumeration", "attention"])
def test_the_jensen_gap_is_the_mean_of_the_masks_less_the_mask_of_the_mean(
    build, images, estimator
) -> None:
    model = build({"name": "gated_mlp", "estimator": estimator})
    under = counterfactual_masks(model, images)
    gap = mask_jensen_gap(model, images, under)
    assert gap.shape == (4, 1, 32, 32)
    assert gap.abs().max() > 1e-6
    if estimator == "enumeration":  # the model's own answer is then the mask of the mean
        with torch.no_grad():
            own = model(model.normalize(images)).sigmoid()
        prior = model.dictionary().prior[:, None, None, None, None]
        torch.testing.assert_close(gap, (prior * under.probabilities).sum(0) - own)


def test_a_confounder_that_does_nothing_leaves_no_gap(build, images) -> None:
    model = build("film")
    z = model.dictionary()
    same = Confounders(z.embeddings[:1].expand(3, -1), torch.ones(3) / 3, z.names[:3])
    with swapped(model, dictionary=FixedDictionary(same)):
        gap = mask_jensen_gap(model, images, counterfactual_masks(model, images))
    assert gap.abs().max() < 1e-6


def test_on_images_it_is_what_the_model_says_of_the_done_images(build, images) -> None:
    model = build("identity")

    def darken(m: int, pictures: torch.Tensor) -> torch.Tensor:
        return pictures * (1 - m / 12)

    do = {m: partial(darken, m) for m in (2, 7, 0)}
    found = counterfactual_masks(model, images, do)
    assert found.names == tuple(model.pack.confounder_names[m] for m in (0, 2, 7))
    with torch.no_grad():
        expected = model(model.normalize(images * (1 - 7 / 12))).sigmoid()
    torch.testing.assert_close(found.probabilities[2], expected)
    assert found.pictures is not None
    seen = torch.stack([darken(m, images) for m in (0, 2, 7)])
    torch.testing.assert_close(found.pictures.float() / 255, seen, atol=0.5 / 255, rtol=0)
    assert counterfactual_masks(build("film"), images).pictures is None
    nothing = counterfactual_masks(model, images, dict.fromkeys((0, 1), lambda pictures: pictures))
    assert nothing.spread.max() == 0


def test_a_layer_without_effects_says_so(build, images) -> None:
    with pytest.raises(ConfigurationError, match="a layer with `effects`, found CrossAttention"):
        counterfactual_masks(build("cross_attention"), images)
    passing_by = build()
    passing_by.intervening = False
    with pytest.raises(ConfigurationError, match="found one whose `intervening` is False"):
        counterfactual_masks(passing_by, images)


def test_a_do_that_changes_the_shape(build, images) -> None:
    with pytest.raises(ShapeError, match=r"do\(z = 0\): expected images of shape \(4, 3, 32, 32\)"):
        counterfactual_masks(build(), images, {0: lambda pictures: pictures[..., :16]})


@pytest.mark.parametrize(("do", "found"), [({}, "none"), ({12: torch.clone}, r"\[12\]")])
def test_a_do_of_confounders_that_there_are_not(build, images, do, found) -> None:
    with pytest.raises(ConfigurationError, match=f"out of 0 to 11, found {found}"):
        counterfactual_masks(build(), images, do)


def test_the_model_is_left_as_it_was_found(build, images) -> None:
    model = build()
    parts = (model.tower, model.intervention)
    counterfactual_masks(model, images)
    assert parts == (model.tower, model.intervention)
