"""The objective: each term against what it says, and where it is silent."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError, UnknownNameError
from deconfound.losses import (
    CausalAlignmentLoss,
    ContrastiveLoss,
    SegmentationLoss,
    any_lesion,
    class_coverage,
    image_targets,
    soft_dice,
)
from deconfound.types import Intervened, Regions


def aligned(features: torch.Tensor, coverage: torch.Tensor, joint: torch.Tensor) -> float:
    batch, count, _ = features.shape
    regions = Regions(features, torch.arange(count).expand(batch, -1))
    out = Intervened(features, torch.ones(batch, count, 1))
    return CausalAlignmentLoss()(regions, out, coverage, joint).item()


def test_causal_loss_is_zero_where_the_lesion_lies_on_its_name() -> None:
    joint = F.normalize(torch.randn(2, 3, 8), dim=-1)
    centre = joint.mean(1)
    features = torch.stack([5 * centre[0], centre[1], torch.randn(8)])[None]
    coverage = torch.tensor([[[1.0, 0, 0], [0, 0.2, 0]]])
    assert aligned(features, coverage, joint) == pytest.approx(0, abs=1e-6)


def test_causal_loss_is_four_where_it_lies_opposite() -> None:
    joint = F.normalize(torch.randn(1, 3, 8), dim=-1)
    assert aligned(-joint.mean(1)[None], torch.ones(1, 1, 1), joint) == pytest.approx(4, abs=1e-5)


def test_causal_loss_skips_absent_classes_and_is_zero_without_any() -> None:
    joint, features = F.normalize(torch.randn(2, 3, 8), dim=-1), torch.randn(1, 3, 8)
    first = torch.tensor([[[1.0, 1, 0], [0, 0, 0]]])
    alone = torch.tensor([[[1.0, 1, 0]]])
    assert aligned(features, first, joint) == pytest.approx(aligned(features, alone, joint[:1]))
    assert aligned(features, first * 0, joint) == 0


def test_causal_loss_without_any_class_sends_no_nan_back() -> None:
    features = torch.randn(1, 3, 8, requires_grad=True)
    regions = Regions(features, torch.arange(3)[None])
    loss = CausalAlignmentLoss()(
        regions,
        Intervened(features, torch.ones(1, 3, 1)),
        torch.zeros(1, 2, 3),
        torch.randn(2, 3, 8),
    )
    loss.backward()
    assert torch.equal(features.grad, torch.zeros_like(features))


@given(seed=st.integers(0, 1000), binary=st.booleans())
def test_coverage_counts_pixels(seed: int, binary: bool) -> None:
    g = torch.Generator().manual_seed(seed)
    mask = torch.randint(0, 2 if binary else 4, (2, 8, 12), generator=g)
    class_index = torch.randint(-1, 3, (2,), generator=g)
    coverage = class_coverage(mask, class_index, 3, (2, 3), binary)
    for b in range(2):
        for k in range(3):
            pixels = mask[b] * (class_index[b] == k) if binary else mask[b] == k + 1
            cells = pixels.float().reshape(2, 4, 3, 4).mean(dim=(1, 3)).flatten()
            torch.testing.assert_close(coverage[b, k], cells)


def test_contrast_with_one_class_needs_the_normal_text() -> None:
    """InfoNCE over one text is identically zero; with "normal tissue" beside it, it is not."""
    pooled, text, normal = torch.randn(4, 8), torch.randn(1, 8), torch.randn(8)
    alone = F.cross_entropy(pooled @ text.T, torch.zeros(4, dtype=torch.int64))
    assert alone == 0
    assert ContrastiveLoss()(pooled, text, normal, torch.zeros(4, dtype=torch.int64)) > 0


@given(seed=st.integers(0, 1000), temperature=st.floats(0.05, 5))
def test_contrast_against_the_equation(seed: int, temperature: float) -> None:
    g = torch.Generator().manual_seed(seed)
    pooled, classes, normal = (torch.randn(n, 8, generator=g) for n in (4, 3, 1))
    target = torch.randint(-1, 4, (4,), generator=g)
    texts = [*classes, normal[0]]
    terms = []
    for image, label in zip(pooled, target.tolist(), strict=True):
        if label >= 0:
            s = [F.cosine_similarity(image, t, dim=0).item() / temperature for t in texts]
            terms.append(-s[label] + math.log(sum(math.exp(x) for x in s)))
    expected = sum(terms) / max(len(terms), 1)
    found = ContrastiveLoss(temperature)(pooled, classes, normal[0], target)
    assert found.item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_targets_name_normal_tissue_and_the_unknown() -> None:
    mask = torch.zeros(3, 4, 4, dtype=torch.int64)
    mask[0, 0, 0] = mask[1, 1, 1] = 1
    assert image_targets(mask, torch.tensor([2, -1, 4]), 5).tolist() == [2, -1, 5]


@pytest.mark.parametrize("classes", [1, 4])
def test_segmentation_loss_is_cross_entropy_and_dice_adds_to_it(classes: int) -> None:
    logits = torch.randn(2, classes, 6, 5)
    mask = torch.randint(0, max(classes, 2), (2, 6, 5))
    if classes == 1:
        expected = F.binary_cross_entropy_with_logits(logits[:, 0], mask.float())
    else:
        expected = F.cross_entropy(logits, mask)
    torch.testing.assert_close(SegmentationLoss("ce")(logits, mask), expected)
    assert SegmentationLoss("ce+dice")(logits, mask) > expected


def test_soft_dice_at_its_ends() -> None:
    target = torch.zeros(1, 1, 4, 4)
    target[..., :2] = 1
    assert soft_dice(target, target) == pytest.approx(0, abs=1e-6)
    assert soft_dice(1 - target, target) == pytest.approx(1, abs=1e-6)
    assert soft_dice(target, target * 0) == 0


def test_settings_out_of_range() -> None:
    with pytest.raises(UnknownNameError, match="did you mean ce"):
        SegmentationLoss("ce-dice")
    with pytest.raises(ConfigurationError, match="temperature must be > 0, found 0"):
        ContrastiveLoss(0)


@given(seed=st.integers(0, 1000), classes=st.integers(1, 5))
def test_a_lesion_is_whatever_is_not_background(seed, classes) -> None:
    g = torch.Generator().manual_seed(seed)
    logits = 5 * torch.randn(2, 1 + classes, 4, 3, generator=g, dtype=torch.float64)
    torch.testing.assert_close(any_lesion(logits).sigmoid(), 1 - logits.softmax(1)[:, :1])


@pytest.mark.parametrize("kind", ["ce", "ce+dice"])
def test_where_a_lesion_is_does_not_ask_which(kind) -> None:
    """Two classes exchanged in what is said change the loss, and nothing of its lesion's part."""
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 6, 6, generator=g)
    mask = torch.randint(0, 4, (2, 6, 6), generator=g)
    renamed = logits[:, [0, 2, 1, 3]]

    def part(said: torch.Tensor) -> torch.Tensor:
        return SegmentationLoss(kind, lesion=1.0)(said, mask) - SegmentationLoss(kind)(said, mask)

    torch.testing.assert_close(part(logits), part(renamed))
    assert part(logits) > 0
    assert SegmentationLoss(kind)(logits, mask) != SegmentationLoss(kind)(renamed, mask)


@pytest.mark.parametrize("channels", [1, 2])
def test_of_one_class_a_lesion_is_asked_for_once(channels) -> None:
    logits, mask = torch.randn(2, channels, 6, 6), torch.randint(0, 2, (2, 6, 6))
    assert SegmentationLoss("ce+dice", 1.0)(logits, mask) == SegmentationLoss("ce+dice")(
        logits, mask
    )


def test_a_negative_weight_of_the_lesion_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="lesion -1"):
        SegmentationLoss(lesion=-1)
