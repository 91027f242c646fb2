"""Weights of images: one is none, two is twice, and an image of weight zero is not there."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ShapeError
from deconfound.losses import CausalLoss, SegmentationLoss
from deconfound.packs import PromptPack
from deconfound.prompts import PromptEmbeddings
from deconfound.testing.strategies import generator, seeds
from deconfound.types import Confounders, Explanation, Intervened, Regions

KINDS = ["ce", "ce+dice"]


def batch(seed: int, channels: int, count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    g = generator(seed)
    logits = torch.randn(count, channels, 5, 4, generator=g, dtype=torch.float64)
    return logits, torch.randint(0, max(channels, 2), (count, 5, 4), generator=g)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=seeds, channels=st.integers(1, 4))
def test_weights_of_one_are_no_weights(kind, seed, channels) -> None:
    logits, mask = batch(seed, channels)
    loss = SegmentationLoss(kind)
    torch.testing.assert_close(loss(logits, mask, torch.ones(3)), loss(logits, mask))


@pytest.mark.parametrize("kind", KINDS)
@given(seed=seeds, channels=st.integers(1, 4))
def test_a_weight_is_how_often_an_image_is_there(kind, seed, channels) -> None:
    """Weights (2, 1, 0), whose mean is one, are the batch [first, first, second]."""
    logits, mask = batch(seed, channels)
    loss, twice = SegmentationLoss(kind, lesion=0.5), [0, 0, 1]
    weighed = loss(logits, mask, torch.tensor([2.0, 1.0, 0.0]))
    torch.testing.assert_close(weighed, loss(logits[twice], mask[twice]))


@given(seed=seeds, channels=st.integers(1, 4), factor=st.floats(0.1, 10))
def test_a_heavy_image_is_heavy_alone(seed, channels, factor) -> None:
    """The mean is over images, not over weights: else a batch of one would forget its weight."""
    logits, mask = batch(seed, channels, count=1)
    loss = SegmentationLoss("ce")
    weighed = loss(logits, mask, torch.tensor([factor], dtype=torch.float64))
    torch.testing.assert_close(weighed, factor * loss(logits, mask))


@given(seed=seeds)
def test_gradients_follow_the_weights(seed) -> None:
    logits, mask = batch(seed, 3)
    logits.requires_grad_()
    (plain,) = torch.autograd.grad(SegmentationLoss()(logits, mask), logits)
    weight = torch.tensor([0.0, 0.5, 2.5], dtype=torch.float64)
    (weighed,) = torch.autograd.grad(SegmentationLoss()(logits, mask, weight), logits)
    torch.testing.assert_close(weighed, weight[:, None, None, None] * plain)


def test_one_weight_for_each_image() -> None:
    logits, mask = batch(0, 2)
    with pytest.raises(ShapeError, match="one weight for each of 3 images"):
        SegmentationLoss()(logits, mask, torch.ones(2))


def criterion_and_explanation(logits: torch.Tensor, dim: int = 6) -> tuple[CausalLoss, Explanation]:
    """Build the whole objective over random vectors in place of texts and towers."""
    g, count = generator(1), len(logits)

    def unit(*shape: int) -> torch.Tensor:
        return F.normalize(torch.randn(*shape, dim, generator=g), dim=-1)

    prompts = PromptEmbeddings(PromptPack.load("endoscopy"), lambda texts: unit(len(texts)))
    features, z = unit(count, 4), prompts.confounders
    uniform = torch.full((len(z),), 1 / len(z))
    said = Explanation(
        logits=logits.float(),
        scores=torch.zeros(count, 2, 2),
        regions=Regions(features, torch.arange(4).expand(count, -1)),
        confounders=Confounders(z, uniform, tuple(f"z{m}" for m in range(len(z)))),
        intervened=Intervened(features, uniform.expand(count, 4, -1)),
        pooled=unit(count),
    )
    return CausalLoss(prompts), said


def test_the_objective_weighs_what_the_mask_says() -> None:
    logits, mask = batch(3, 1)
    criterion, said = criterion_and_explanation(logits)
    classes, weight = torch.tensor([0, 1, 0]), torch.tensor([0.5, 0.0, 2.5])
    plain = criterion(said, mask, classes)
    ones = criterion(said, mask, classes, weight=torch.ones(3))
    weighed = criterion(said, mask, classes, weight=weight)
    torch.testing.assert_close(ones, plain)
    torch.testing.assert_close(weighed["seg"], SegmentationLoss()(said.logits, mask, weight))
    assert weighed["seg"] != plain["seg"]
    torch.testing.assert_close(weighed["loss"] - plain["loss"], weighed["seg"] - plain["seg"])
