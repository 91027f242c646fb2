"""Weights from surroundings alone: P(Y|do(F)) where nobody has named what confounds it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.estimators.weighting import effective_sample_size, propensity_weights
from tests.estimators.weighting.worlds import shown_confounder

CLASSES = 3


def world(strength: float, seed: int, count: int = 2000) -> tuple[np.ndarray, ...]:
    """Surroundings that leave no doubt of a confounder."""
    return shown_confounder(strength, seed, count, CLASSES, noise=0.05)


@settings(max_examples=8)
@given(st.floats(0.1, 0.9), st.integers(0, 1000))
def test_they_are_the_weights_of_somebody_who_knows_the_confounder(strength, seed) -> None:
    shown, k, z = world(strength, seed)
    joint = np.histogram2d(k, z, bins=CLASSES)[0] / len(k)
    known = (joint.sum(1)[:, None] * joint.sum(0) / joint)[k, z]
    found = propensity_weights(shown, k, clip=1e3).weights.numpy()
    assert np.corrcoef(found, known)[0, 1] > 0.9 or known.std() < 0.3
    assert np.abs(found - known).mean() < 0.15


@settings(max_examples=8)
@given(st.floats(0.5, 0.9), st.integers(0, 1000))
def test_the_weighted_mean_of_an_outcome_is_that_under_do(strength, seed) -> None:
    """Y is likelier by 0.1 of each class and 0.4 of each confounder; its plain mean mixes both."""
    shown, k, z = world(strength, seed)
    likely = 0.1 * k + 0.4 * z
    weights = propensity_weights(shown, k).weights.numpy()
    truth = 0.1 * np.arange(CLASSES) + 0.4 * z.mean()
    plain = np.array([likely[k == c].mean() for c in range(CLASSES)])
    weighted = np.array(
        [np.average(likely[k == c], weights=weights[k == c]) for c in range(CLASSES)]
    )
    assert np.abs(weighted - truth).max() < 0.12
    assert np.abs(plain - truth).max() > 2 * np.abs(weighted - truth).max()


def test_where_nothing_is_confounded_all_weigh_nearly_alike() -> None:
    shown, k, _ = world(0.0, 0)
    report = propensity_weights(shown, k)
    assert report.ess > 0.95 * len(k)
    assert report.clipped_share == 0


@settings(max_examples=8)
@given(st.floats(0, 0.9), st.floats(1, 20), st.integers(0, 1000))
def test_every_class_keeps_its_share(strength, clip, seed) -> None:
    shown, k, _ = world(strength, seed, count=300)
    report = propensity_weights(shown, k, clip=clip)
    for c in range(CLASSES):
        assert report.weights[k == c].mean().item() == pytest.approx(1)
    assert report.largest == report.weights.max().item()
    assert report.ess == pytest.approx(effective_sample_size(report.weights))


def test_a_limit_cuts_the_largest_weights() -> None:
    shown, k, z = world(0.9, 0)
    free, cut = (propensity_weights(shown, k, clip=clip) for clip in (100.0, 4.0))
    assert free.largest > 8
    assert free.clipped_share == 0
    assert cut.clipped_share == pytest.approx(np.mean(k != z), abs=0.02)
    assert cut.largest < 8
    assert cut.ess > free.ess


def test_what_cannot_be_guessed_weighs_one() -> None:
    shown, k, _ = world(0.8, 0, count=400)
    k[:50] = -1  # no lesion
    k[50:53] = CLASSES  # a class of three patients
    weights = propensity_weights(shown, k).weights
    assert (weights[:53] == 1).all()
    assert weights[53:].std() > 0.1
    alone = propensity_weights(shown, np.zeros(400, dtype=int))
    assert (alone.weights == 1).all()
    assert alone.ess == 400


def test_a_patient_known_by_heart_says_nothing_of_herself() -> None:
    """Each patient has marks and a class of her own; what they tell of it holds for nobody else."""
    source = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 10)
    k = patients % 2
    shown = source.standard_normal((40, 32))[patients] + 0.01 * source.standard_normal((400, 32))
    apart = propensity_weights(shown, k, [str(p) for p in patients])
    together = propensity_weights(shown, k)
    assert (together.weights < 2).all()  # sure of all, and of the right class
    assert apart.weights.std() > 2 * together.weights.std()  # as often of the wrong one


def test_errors_say_what_was_found() -> None:
    with pytest.raises(ConfigurationError, match=r"clip must be 1 or more, found 0\.5"):
        propensity_weights(np.zeros((4, 2)), np.zeros(4, dtype=int), clip=0.5)
    with pytest.raises(ShapeError, match=r"found \(4, 2\), \(3,\) and None"):
        propensity_weights(np.zeros((4, 2)), np.zeros(3, dtype=int))
    with pytest.raises(ShapeError, match=r"found \(4, 2\), \(4,\) and 1"):
        propensity_weights(np.zeros((4, 2)), np.zeros(4, dtype=int), ["one"])
