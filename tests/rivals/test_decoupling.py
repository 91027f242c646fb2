"""Decoupling: the contract, what content and style have in common, and who can name the site."""

from __future__ import annotations

import math

import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from deconfound.encoders.level_interventions import ContentStyle
from deconfound.errors import ConfigurationError, DataError
from deconfound.rivals import Decoupling, Plain
from deconfound.rivals.decoupling import DecouplingLoss, overlap
from deconfound.rivals.reversal import SiteAdversary
from deconfound.rivals.sites import SiteClassifier
from deconfound.testing import RivalContract
from deconfound.testing.rivals import batch, build_model, build_objective
from deconfound.testing.strategies import generator, seeds
from tests.rivals.closed_world import CHANNELS, SITES, SegmentationAlone, draw_maps, told

CHANCE = math.log(SITES)


class TestDecoupling(RivalContract):
    def make(self) -> Decoupling:
        return Decoupling()


def as_maps(rows: Tensor) -> Tensor:
    """Sixteen locations (16, C) as two pictures (2, C, 2, 4)."""
    return rows.reshape(2, 2, 4, -1).movedim(-1, 1)


def rotation(size: int, seed: int) -> Tensor:
    return torch.linalg.qr(torch.randn(size, size, generator=generator(seed)).double())[0]


@given(order=st.permutations(range(1, 16)), cut=st.integers(1, 14), seed=seeds)
def test_orthogonal_parts_have_nothing_in_common(order, cut, seed) -> None:
    """Columns of a Hadamard matrix are orthogonal, centred, and give rows of one length."""
    signs = torch.tensor(scipy.linalg.hadamard(16)).double()
    content, style = signs[:, order[:cut]], signs[:, order[cut:]]
    turned = content @ rotation(cut, seed), style @ rotation(15 - cut, seed + 1)
    found = overlap(*(as_maps(part) for part in turned))
    assert float(found) == pytest.approx(0, abs=1e-12)


@given(seed=seeds, scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_the_overlap_is_a_share_of_directions_not_of_lengths(seed, scale, shift) -> None:
    g = generator(seed)
    content, style = (torch.randn(2, c, 2, 4, generator=g).double() for c in (3, 5))
    found = overlap(content, style)
    assert 0 <= found <= 1
    torch.testing.assert_close(overlap(scale * content + shift, style), found)
    torch.testing.assert_close(overlap(style, content), found)


def test_a_part_has_everything_in_common_with_itself() -> None:
    line = as_maps(torch.tensor([1.0, -1.0]).repeat(8)[:, None])
    torch.testing.assert_close(overlap(line, 3 * line), torch.ones(()))


def play(strength: float, steps: int = 200) -> tuple[float, float, float]:
    """Train split, head and both readers of sites; return the later steps' mean of their losses."""
    torch.manual_seed(0)
    split, head = ContentStyle((3, CHANNELS)), nn.Conv2d(CHANNELS, 1, 1)
    criterion = DecouplingLoss(
        SegmentationAlone(),
        split,
        SiteAdversary(CHANNELS, SITES, strength, ramp_steps=50),
        SiteClassifier(CHANNELS, SITES),
        strength,
        orthogonality=0.1,
    )
    descent = torch.optim.SGD(nn.ModuleList([head, criterion]).parameters(), lr=0.1)
    terms = []
    for step in range(steps):
        maps, mask, sites = draw_maps(step)
        content = split([maps[:, :3], maps])[-1]
        losses = criterion(told(head(content), content), mask, None, site_index=sites)
        descent.zero_grad()
        losses["loss"].backward()
        descent.step()
        terms.append([float(losses[name].detach()) for name in ("site", "style", "seg")])
    site, style, seg = torch.tensor(terms[steps // 2 :]).mean(dim=0).tolist()
    return site, style, seg


def test_style_says_the_site_and_content_comes_to_say_the_lesion_alone() -> None:
    undisturbed, unasked, _ = play(strength=0.0)
    site, style, seg = play(strength=1.0)
    assert undisturbed < 0.2 * CHANCE
    assert unasked > 0.8 * CHANCE
    assert site > 0.6 * CHANCE
    assert style < 0.2 * CHANCE
    assert seg < 0.1


def test_each_term_reaches_the_projection_it_is_about() -> None:
    objective = build_objective(Decoupling())
    terms = objective.train()(**batch())
    split = objective.model.level_intervention
    weights = (split.content.weight, split.style.weight)
    for name, reached in (("style", (False, True)), ("overlap", (True, True))):
        gradients = torch.autograd.grad(terms[name], weights, retain_graph=True, allow_unused=True)
        assert tuple(g is not None and bool(g.any()) for g in gradients) == reached
    expected = terms["seg"] + terms["site"] + 0.25 * terms["style"] + 0.1 * terms["overlap"]
    torch.testing.assert_close(terms["loss"], expected)


def test_the_split_belongs_to_the_model_and_is_trained_once() -> None:
    objective = build_objective(Decoupling())
    assert objective.criterion.split is objective.model.level_intervention


def test_every_mistake_is_one_sentence() -> None:
    model = build_model(Plain())
    with pytest.raises(ConfigurationError, match="expected a model with level_intervention="):
        Decoupling().criterion(model, SegmentationAlone(), num_sites=2)
    objective = build_objective(Decoupling(orthogonality=0.0))
    without = {name: value for name, value in batch().items() if name != "site_index"}
    with pytest.raises(DataError, match="decoupling: expected a site_index"):
        objective(**without)
    with pytest.raises(ConfigurationError, match="weights must be ≥ 0, found 1 and -1"):
        DecouplingLoss(
            SegmentationAlone(),
            ContentStyle((3, 4)),
            SiteAdversary(4, 2, 1.0, 1),
            SiteClassifier(4, 2),
            1,
            -1,
        )
