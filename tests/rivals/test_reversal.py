"""The adversary: a gradient turned round, a ramp, and a game of two."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError
from deconfound.rivals.reversal import SiteAdversary, reverse_gradient
from deconfound.testing.strategies import generator, seeds
from tests.rivals.closed_world import CHANNELS, SITES, draw_maps


@given(seed=seeds, scale=st.floats(0, 5))
def test_forward_is_the_identity_and_backward_turns_round(seed, scale) -> None:
    x = torch.randn(3, 4, generator=generator(seed), dtype=torch.float64).requires_grad_()
    gradient = torch.randn(3, 4, generator=generator(seed + 1), dtype=torch.float64)
    y = reverse_gradient(x, torch.tensor(scale, dtype=torch.float64))
    assert torch.equal(y, x)
    y.backward(gradient)
    torch.testing.assert_close(x.grad, -scale * gradient)


@given(strength=st.floats(0, 3), ramp=st.integers(1, 50), steps=st.integers(0, 100))
def test_the_ramp_is_a_hyperbolic_tangent(strength, ramp, steps) -> None:
    """2 / (1 + exp(-10 p)) - 1 = tanh(5 p), and p stops at 1."""
    adversary = SiteAdversary(CHANNELS, SITES, strength, ramp)
    adversary.step.fill_(steps)
    expected = strength * math.tanh(5 * min(1, steps / ramp))
    assert float(adversary.scale) == pytest.approx(expected, abs=1e-5)


def test_only_training_goes_up_the_ramp() -> None:
    adversary, (maps, _, sites) = SiteAdversary(CHANNELS, SITES, 1.0, 10), draw_maps(0)
    assert float(adversary.scale) == 0
    for _ in range(3):
        adversary.train()(maps, sites)
        adversary.eval()(maps, sites)
    assert int(adversary.step) == 3
    again = SiteAdversary(CHANNELS, SITES, 1.0, 10)
    again.load_state_dict(adversary.state_dict())
    assert torch.equal(again.scale, adversary.scale)


def test_one_backward_helps_the_classifier_and_harms_it_through_its_features() -> None:
    adversary, (maps, _, sites) = SiteAdversary(CHANNELS, SITES, 0.5, 1), draw_maps(0)
    adversary.step.fill_(1)
    maps.requires_grad_()
    loss = adversary(maps, sites)
    loss.backward()
    with torch.no_grad():
        moved = maps - 5 * maps.grad
        assert adversary(moved, sites) > loss
        for parameter in adversary.parameters():
            parameter -= 0.05 * parameter.grad
        assert adversary(maps, sites) < loss


def test_the_classifier_learns_at_the_full_rate_whatever_the_strength() -> None:
    maps, _, sites = draw_maps(0)
    gradients = []
    for strength in (0.0, 0.7):
        torch.manual_seed(0)
        adversary = SiteAdversary(CHANNELS, SITES, strength, 1)
        adversary.step.fill_(1)
        adversary(maps, sites).backward()
        gradients.append([p.grad for p in adversary.parameters()])
    torch.manual_seed(0)
    plain = SiteAdversary(CHANNELS, SITES, 0.0, 1).classifier
    F.cross_entropy(plain(maps), sites).backward()
    for off, on, alone in zip(*gradients, plain.parameters(), strict=True):
        torch.testing.assert_close(off, on)
        torch.testing.assert_close(on, alone.grad)


@pytest.mark.parametrize(("strength", "ramp"), [(-0.1, 10), (1.0, 0)])
def test_a_mistake_is_one_sentence(strength, ramp) -> None:
    with pytest.raises(ConfigurationError, match="expected a strength ≥ 0 and a ramp of 1 step"):
        SiteAdversary(CHANNELS, SITES, strength, ramp)
