"""DANN: the contract, and a discriminator that is held off."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from deconfound.errors import DataError
from deconfound.rivals import DANN
from deconfound.rivals.dann import DannLoss
from deconfound.rivals.reversal import SiteAdversary
from deconfound.testing import RivalContract
from tests.rivals.closed_world import CHANNELS, SITES, SegmentationAlone, draw_maps, told

CHANCE = math.log(SITES)


class TestDANN(RivalContract):
    def make(self) -> DANN:
        return DANN()


def dann_loss(strength: float, ramp_steps: int = 50) -> DannLoss:
    return DannLoss(SegmentationAlone(), SiteAdversary(CHANNELS, SITES, strength, ramp_steps))


def play(strength: float, steps: int = 200) -> tuple[float, float]:
    """Train encoder, head and discriminator; return the later steps' mean of both losses."""
    torch.manual_seed(0)
    encoder, head = nn.Conv2d(CHANNELS, CHANNELS, 1), nn.Conv2d(CHANNELS, 1, 1)
    criterion = dann_loss(strength)
    descent = torch.optim.SGD(nn.ModuleList([encoder, head, criterion]).parameters(), lr=0.1)
    terms = []
    for step in range(steps):
        maps, mask, sites = draw_maps(step)
        level = encoder(maps)
        losses = criterion(told(head(level), level), mask, None, site_index=sites)
        descent.zero_grad()
        losses["loss"].backward()
        descent.step()
        terms.append((float(losses["site"].detach()), float(losses["seg"].detach())))
    site, seg = torch.tensor(terms[steps // 2 :]).mean(dim=0).tolist()
    return site, seg


def test_the_discriminator_is_held_off_and_the_lesion_stays() -> None:
    undisturbed, _ = play(strength=0.0)
    site, seg = play(strength=1.0)
    assert undisturbed < 0.2 * CHANCE
    assert site > 0.6 * CHANCE
    assert seg < 0.1


def test_the_loss_is_the_sum_of_its_terms() -> None:
    maps, mask, sites = draw_maps(0)
    found = dann_loss(1.0)(told(maps[:, :1], maps), mask, None, site_index=sites)
    torch.testing.assert_close(found["loss"], found["seg"] + found["site"])


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        (None, "DANN: expected a site_index for every picture, found none"),
        (torch.full((64,), SITES), "DANN: expected sites from 0 to 1, found 2 to 2"),
        (torch.full((64,), -1), "DANN: expected sites from 0 to 1, found -1 to -1"),
    ],
)
def test_sites_that_nobody_knows(sites, message) -> None:
    maps, mask, _ = draw_maps(0)
    with pytest.raises(DataError, match=message):
        dann_loss(1.0)(told(maps[:, :1], maps), mask, None, site_index=sites)
