"""What surroundings tell of a class: chance where they are independent, the truth where not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deconfound.diagnostics.balance import Balance, class_balance, told_by_the_margin
from deconfound.errors import ShapeError
from deconfound.estimators.weighting.cross_fitting import FOLDS
from tests.estimators.weighting.worlds import shown_confounder as world


@settings(max_examples=5)
@given(st.floats(0, 1), st.integers(0, 1000))
def test_what_is_told_is_how_often_class_and_confounder_go_together(strength, seed) -> None:
    found = class_balance(*world(strength, seed)[:2])
    assert found is not None
    truth = strength + (1 - strength) / 3
    assert found.told == pytest.approx(truth, abs=0.1)  # near chance, noise can be learned
    assert found.left == pytest.approx(strength, abs=0.15)


@settings(max_examples=5)
@given(st.floats(0.2, 0.9), st.integers(0, 1000))
def test_the_true_weights_leave_nothing_to_tell(strength, seed) -> None:
    shown, k, z = world(strength, seed)
    together = strength + (1 - strength) / 3
    weights = np.where(k == z, 1 / 3 / together, 1 / 3 / ((1 - together) / 2))
    found = class_balance(shown, k, weights)
    assert found is not None
    assert found.told > found.weighted
    assert found.left < 0.2
    useless = class_balance(shown, k, np.ones(len(k)))
    assert useless is not None
    assert useless.weighted == useless.told


@pytest.mark.parametrize("strength", [0.0, 0.6])
def test_a_frequent_class_hides_nothing_and_feigns_nothing(strength) -> None:
    """Guessed by plain accuracy, nine polyps in ten images would all be told, and by nothing."""
    source = np.random.default_rng(0)
    k = (source.random(1500) < 0.1).astype(int)
    z = np.where(source.random(1500) < strength, k, source.integers(2, size=1500))
    shown = np.eye(2, 8)[z] + 0.1 * source.standard_normal((1500, 8))
    found = class_balance(shown, k)
    assert found is not None
    assert found.chance == 0.5
    assert found.left == pytest.approx(strength, abs=0.1)


def test_weights_that_favour_a_class_tell_nothing() -> None:
    shown, k, _ = world(0.0)
    found = class_balance(shown, k, np.where(k == 0, 8.0, 1.0))
    assert found is not None
    assert found.left < 0.12


def test_a_patient_is_not_recognised() -> None:
    # Every patient looks like nobody else and has one class: nothing can be learned for the next.
    source = np.random.default_rng(0)
    patient = np.repeat(np.arange(60), 5)
    shown = source.standard_normal((60, 40))[patient]
    alone = class_balance(shown, patient % 3)
    together = class_balance(shown, patient % 3, groups=[f"p{i}" for i in patient])
    assert alone is not None
    assert together is not None
    assert alone.told > 0.9
    assert together.told < 0.5


def test_where_nothing_can_be_told_there_is_no_answer() -> None:
    shown, k, _ = world(0.5, count=40)
    assert class_balance(shown, np.zeros_like(k)) is None
    assert class_balance(shown, np.full_like(k, -1)) is None
    rare = np.r_[np.ones(FOLDS - 1, dtype=int), np.zeros(40 - FOLDS + 1, dtype=int)]
    assert class_balance(shown, rare) is None
    assert class_balance(shown, k, groups=["p"] * 40) is None


def test_unknown_and_rare_classes_are_left_out() -> None:
    shown, k, _ = world(0.5, count=100)
    k[:10], k[10:12] = -1, 7
    found = class_balance(shown, k)
    assert found is not None
    assert found.images == 88


def test_guesses_below_chance_leave_nothing() -> None:
    assert Balance(told=0.2, weighted=0.2, chance=0.3, images=10).left == 0
    assert Balance(told=1.0, weighted=1.0, chance=0.3, images=10).left == 1


def test_arrays_that_do_not_fit_are_refused() -> None:
    shown, k, _ = world(0.5, count=40)
    for wrong in ((shown[:, 0], k), (shown, k[1:])):
        with pytest.raises(ShapeError, match="surroundings: expected embeddings"):
            class_balance(*wrong)
    with pytest.raises(ShapeError, match="class balance: expected a weight for each of 40"):
        class_balance(shown, k, np.ones(3))
    with pytest.raises(ShapeError, match="and 2"):
        class_balance(shown, k, groups=["a", "b"])


@settings(max_examples=5)
@given(st.floats(0, 0.6), st.integers(0, 1000))
def test_a_margin_that_tells_is_found_and_one_that_does_not_is_not(strength, seed) -> None:
    """The near look shows a halo that goes with the class, beside what the far one shows too."""
    far, k, _ = world(strength, seed)
    halo = np.eye(3, 8)[k] + 0.2 * np.random.default_rng(seed + 1).standard_normal(far.shape)
    assert told_by_the_margin(far + halo, far, k)
    noise = 0.1 * np.random.default_rng(seed + 2).standard_normal(far.shape)
    assert not told_by_the_margin(far, far + noise, k)
    assert not told_by_the_margin(far, far + halo, k)  # more is told, not less


def test_of_a_few_patients_no_margin_is_found() -> None:
    """Two patients, whose images all lose the class, are a coincidence of two."""
    far, k, _ = world(0.5, count=400)
    halo = np.eye(3, 8)[k]
    few = np.arange(400) < 40
    near = np.where(few[:, None], far + halo, far)
    groups = [f"p{0 if i < 20 else 1}" if i < 40 else f"q{i}" for i in range(400)]
    assert not told_by_the_margin(near, far, k, groups)


def test_what_no_look_tells_no_margin_tells() -> None:
    """Twins of unlike classes are guessed wrong, below chance, and no look tells the class."""
    source = np.random.default_rng(0)
    k = np.tile([0, 1], 400)
    blind, twins = source.standard_normal((800, 8)), source.standard_normal((400, 400))
    mistaken = np.repeat(twins, 2, axis=0)
    seen = [class_balance(shown, k) for shown in (blind, mistaken)]
    assert [round(one.told, 1) for one in seen if one] == [0.5, 0.1]
    assert not told_by_the_margin(blind, mistaken, k)


def test_one_class_has_no_margin() -> None:
    shown, k, _ = world(0.5, count=60)
    assert not told_by_the_margin(shown, shown, np.zeros_like(k))


def test_looks_that_do_not_fit_each_other_are_refused() -> None:
    shown, k, _ = world(0.5, count=60)
    with pytest.raises(ShapeError, match="surroundings: expected embeddings"):
        told_by_the_margin(shown, shown[:40], k)
