"""Sensitivity: the bias of a confounder that is left out, against the regression that has it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from deconfound.diagnostics.refuters import HasLinearView, ScmSubject, UnobservedConfounder
from deconfound.diagnostics.refuters.base import LinearView
from deconfound.diagnostics.refuters.interval import resampled
from deconfound.diagnostics.refuters.resampled_effects import resampled_effects
from deconfound.diagnostics.refuters.sensitivity import (
    LinearEffect,
    adjusted_for,
    linear_effect,
    residuals,
    robustness_value,
)
from deconfound.diagnostics.refuters.twin import left_beside, possible, twin_of
from deconfound.errors import DataError
from deconfound.testing.refuters import confounded_world
from deconfound.testing.strategies import seeds
from deconfound.types import Confounders

strengths = st.floats(-2, 2)


def drawn(seed: int, to_treatment: float, to_outcome: float, count: int = 60):
    """Outcome, treatment, two controls, and a confounder of both, as tensors."""
    g = torch.Generator().manual_seed(seed)
    x, u, e, v = (torch.randn(count, k, generator=g).double() for k in (2, 1, 1, 1))
    d = (x @ torch.tensor([[0.5], [-1.0]]).double() + to_treatment * u + e)[:, 0]
    y = (0.7 * d[:, None] + x.sum(dim=1, keepdim=True) + to_outcome * u + v)[:, 0]
    return y, d, x, u[:, 0]


@given(seed=seeds)
def test_the_coefficient_is_that_of_scikit_learn(seed) -> None:
    y, d, x, _ = drawn(seed, 0.5, 0.5)
    fitted = LinearRegression().fit(torch.column_stack([d, x]).numpy(), y.numpy())
    effect = linear_effect(y, d, x)
    assert effect.estimate == pytest.approx(fitted.coef_[0], abs=1e-9)
    assert effect.freedom == 60 - 4


@given(seed=seeds, a=strengths, b=strengths)
def test_the_bias_formula_is_exact(seed, a, b) -> None:
    """Bias and standard error by partial R² equal those of the regression with u in it."""
    y, d, x, u = drawn(seed, a, b)
    without = linear_effect(y, d, x)
    complete = linear_effect(y, d, torch.column_stack([x, u]))
    r2_d = linear_effect(d, u, x).partial_r2
    r2_y = linear_effect(y, u, torch.column_stack([x, d])).partial_r2
    left = adjusted_for(without, r2_d, r2_y)
    bias = abs(without.estimate - complete.estimate)
    assert abs(without.estimate - left.estimate) == pytest.approx(bias, rel=1e-6, abs=1e-9)
    assert left.error == pytest.approx(complete.error, rel=1e-6)
    assert left.freedom == complete.freedom


@given(st.floats(-5, 5).filter(lambda x: abs(x) > 1e-3), st.floats(0.01, 2), st.integers(5, 5000))
def test_a_confounder_as_strong_as_the_robustness_value_leaves_nothing(estimate, error, df) -> None:
    effect = LinearEffect(estimate, error, df)
    rv = robustness_value(effect)
    assert 0 < rv < 1
    assert adjusted_for(effect, rv, rv).estimate == pytest.approx(0, abs=1e-6 * abs(estimate))
    assert math.copysign(1, adjusted_for(effect, 0.9 * rv, 0.9 * rv).estimate) == math.copysign(
        1, estimate
    )


def test_the_robustness_value_of_the_published_example() -> None:
    """Darfur: 0.097 with standard error 0.023 on 783 degrees of freedom; RV 13.9 %."""
    effect = LinearEffect(0.097, 0.0232, 783)
    assert robustness_value(effect) == pytest.approx(0.139, abs=0.002)
    assert effect.partial_r2 == pytest.approx(0.022, abs=0.001)


signs = st.sampled_from([-1.0, 1.0])


@given(seed=seeds, true=strengths, to_treatment=signs, to_outcome=signs)
def test_an_unnamed_twin_leaves_what_the_regression_with_it_finds(
    seed, true, to_treatment, to_outcome
) -> None:
    """u is orthogonal to three correlated controls, and as strong as the first of them.

    Where it pulls the estimate away from zero, what is left is exact; otherwise it is less.
    """
    g = np.random.default_rng(seed)
    raw = np.column_stack([np.ones(200), g.normal(size=(200, 6))])
    basis = np.linalg.qr(raw)[0][:, 1:] * np.sqrt(200)  # orthogonal, centred, variance 1
    (u, e, v), x = basis[:, :3].T, basis[:, 3:] @ g.normal(size=(3, 3))
    to_d, to_y = x @ g.normal(size=3), x @ g.normal(size=3)
    first = x[:, 0] / x[:, 0].std()
    c, b = to_treatment * abs(np.mean(first * to_d)), to_outcome * abs(np.mean(first * to_y))
    d = to_d + c * u + 2 * e
    y = true * d + to_y + b * u + v
    view = LinearView(*(torch.from_numpy(part) for part in (y, d, x)))
    complete = linear_effect(
        view.outcome, view.treatment, torch.from_numpy(np.column_stack([x, u]))
    )
    assert complete.estimate == pytest.approx(true, abs=1e-9)
    twin = twin_of(view, 0)
    assert twin is not None
    seen = resampled_effects(view, torch.ones(1, 200).double())
    assert possible(twin, seen)
    sign = math.copysign(1, seen.estimate.item())
    left = left_beside(twin, seen, sign).item()
    assert sign * left <= sign * seen.estimate.item() + 1e-9
    assert sign * left <= sign * true + 1e-9
    if sign * c * b >= 0:
        assert left == pytest.approx(true, abs=1e-9)


def test_half_of_a_treatment_leaves_no_room_for_another_half() -> None:
    g = torch.Generator().manual_seed(0)
    named = torch.randn(500, 1, generator=g).double()
    noise = torch.randn(500, generator=g).double()
    for strength, room in ((2.0, False), (0.5, True)):
        view = LinearView(noise, strength * named[:, 0] + noise, named)
        twin = twin_of(view, 0)
        assert twin is not None
        assert possible(twin, resampled_effects(view, torch.ones(1, 500).double())) is room


def test_residuals_are_orthogonal_to_the_controls() -> None:
    g = np.random.default_rng(0)
    controls = g.normal(size=(30, 3))
    assert np.abs(controls.T @ residuals(g.normal(size=30), controls)).max() < 1e-10


@given(seed=seeds)
def test_an_effect_of_resampled_units_is_that_of_repeated_rows(seed) -> None:
    y, d, x, _ = drawn(seed, 0.5, 0.5)
    controls = x.softmax(dim=1)  # collinear with the constant, as probabilities are
    weights = resampled(1, torch.arange(60) // 3, replicates=4, seed=seed)[1]
    found = resampled_effects(LinearView(y, d, controls), weights)
    for row, times in enumerate(weights.long()):
        units = torch.arange(60).repeat_interleave(times)
        effect = linear_effect(y[units], d[units], controls[units])
        assert found.estimate[row] == pytest.approx(effect.estimate, rel=1e-6, abs=1e-9)
        x_and_one = np.column_stack([np.ones(60), controls[units]])
        left = residuals(d[units].numpy(), x_and_one)
        assert found.spread[row] == pytest.approx(np.mean(left**2), rel=1e-6)


class Linear:
    """A subject with a linear view and nothing else; each patient is shown in so many frames."""

    def __init__(
        self, to_outcome: float, effect: float, patients: int = 2000, frames: int = 1
    ) -> None:
        g = torch.Generator().manual_seed(0)
        reading = (3 * torch.randn(patients, 3, generator=g).double()).softmax(dim=1)
        d = reading[:, 0] + torch.randn(patients, generator=g)
        y = effect * d + to_outcome * reading[:, 0] + torch.randn(patients, generator=g)
        self.view = LinearView(*(part.repeat_interleave(frames, dim=0) for part in (y, d, reading)))
        self.groups = torch.arange(patients).repeat_interleave(frames)

    def dictionary(self):
        return Confounders(torch.eye(3), torch.full((3,), 1 / 3), ("a", "b", "c"))

    def estimate(self, confounders, seed=0):
        return torch.zeros(2000)

    def linear_view(self, confounders, seed=0):
        return self.view


def test_more_frames_of_the_same_patients_tell_nothing_more() -> None:
    """The interval is over patients; over frames it would be four times as narrow."""
    once = UnobservedConfounder().refute(Linear(0.5, 0.3, patients=100))
    often = UnobservedConfounder().refute(Linear(0.5, 0.3, patients=100, frames=16))
    for end in ("effect", "low", "high"):
        assert getattr(often, end) == pytest.approx(getattr(once, end), abs=1e-9)


def test_two_patients_are_too_few_to_be_resampled() -> None:
    subject = Linear(0.5, 1.0, patients=40)
    subject.groups = torch.cat([torch.zeros(2), torch.ones(38)])
    found = UnobservedConfounder().refute(subject, (0,))
    assert found.to_json()["effect"] is None
    assert "give more patients" in found.reason


@pytest.mark.parametrize(
    ("to_outcome", "effect", "verdict"),
    [(0.5, 1.0, "supported"), (3.0, 0.02, "refuted")],
)
def test_a_strong_effect_survives_and_a_weak_one_does_not(to_outcome, effect, verdict) -> None:
    subject = Linear(to_outcome, effect)
    assert isinstance(subject, HasLinearView)
    found = UnobservedConfounder().refute(subject)
    assert found.verdict == verdict, found.reason
    assert found.low <= found.effect <= found.high


def test_a_confounder_that_some_resamples_have_no_room_for_is_not_divided_by_nothing() -> None:
    """It explains nearly half of the treatment: another like it would explain the rest."""
    for seed in range(5):
        g = torch.Generator().manual_seed(seed)
        subject = Linear(0.5, 0.5, patients=300)
        named = torch.randn(300, generator=g).double()
        d = named + 1.08 * torch.randn(300, generator=g)
        y = 0.5 * d - named + torch.randn(300, generator=g)
        subject.view = LinearView(y, d, torch.column_stack([named, -named, 0 * named]))
        found = UnobservedConfounder().refute(subject, (0,))
        assert math.isnan(found.effect) or max(abs(found.low), abs(found.high)) < 1000, found


class Spurious(Linear):
    """No effect; several named confounders, and an unnamed one just like the strongest of them."""

    def __init__(self, number: int, units: int = 4000) -> None:
        g = torch.Generator().manual_seed(0)
        scores = torch.linspace(-1, 1, number).double()
        scores = scores / scores.std(correction=0)
        named = torch.randint(number, (units,), generator=g)
        like_the_last = torch.randint(number, (units,), generator=g) == number - 1
        unnamed = like_the_last * (scores[-1] - scores[:-1].mean())
        both = scores[named] + unnamed
        d, y = (both + torch.randn(units, generator=g) for _ in range(2))
        self.view = LinearView(y, d, torch.eye(number).double()[named])
        self.groups = torch.arange(units)
        self.names = tuple(f"z{i}" for i in range(number))

    def dictionary(self):
        number = len(self.names)
        return Confounders(torch.eye(number), torch.full((number,), 1 / number), self.names)


@pytest.mark.parametrize("number", [2, 4, 7, 12])
def test_a_spurious_effect_is_not_supported_however_many_are_named(number) -> None:
    """The named ones explain most of the treatment; what one more explains is a larger share."""
    subject = Spurious(number)
    naive = linear_effect(subject.view.outcome, subject.view.treatment, subject.view.controls)
    assert naive.estimate > 0.1
    found = UnobservedConfounder().refute(subject, (0,))
    assert found.verdict != "supported", found.reason
    assert abs(found.effect) < 0.1


def test_a_world_offers_its_own_view() -> None:
    subject = ScmSubject(confounded_world().with_strength(0.3), count=4000)
    view = subject.linear_view(subject.dictionary())
    assert view.controls.shape == (4000, 3)
    assert twin_of(view, 0) is not None
    assert "must explain" in UnobservedConfounder().refute(subject).reason


class Reordered(ScmSubject):
    """The same world, its dictionary in another order."""

    def dictionary(self) -> Confounders:
        z, order = super().dictionary(), [2, 0, 1]
        return Confounders(z.embeddings[order], z.prior[order], tuple(z.names[m] for m in order))


def test_the_order_of_the_dictionary_changes_nothing() -> None:
    worlds = {"supported": confounded_world().with_strength(0.3), "refuted": confounded_world()}
    for verdict, world in worlds.items():
        usual, other = (
            UnobservedConfounder().refute(kind(world)) for kind in (ScmSubject, Reordered)
        )
        assert (usual.verdict, other.verdict) == (verdict, verdict)
        assert other.effect == pytest.approx(usual.effect)


def test_a_confounder_that_is_never_read_has_no_strength() -> None:
    subject = Linear(0.5, 1.0)
    subject.view.controls[:, 1] = 0.25
    assert twin_of(subject.view, 1) is None
    assert UnobservedConfounder().refute(subject).verdict == "supported"


def test_a_treatment_that_controls_explain_has_no_effect_of_its_own() -> None:
    y, d, _, _ = drawn(0, 0.5, 0.5)
    with pytest.raises(DataError, match="leave something of"):
        linear_effect(y, d, torch.column_stack([d, d * 2]))
