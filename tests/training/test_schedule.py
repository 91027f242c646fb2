from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError
from deconfound.settings import WrongValueError
from deconfound.training.schedule import FINAL_FACTOR, Schedule, learning_rate_factor
from deconfound.training.settings import TrainingSettings


def test_the_paper_starts_at_epoch_ten_of_fifty() -> None:
    schedule = Schedule(epochs=50)
    assert [schedule.intervening(e) for e in (0, 9, 10, 49)] == [False, False, True, True]


@pytest.mark.parametrize(("epochs", "first"), [(1, 0), (2, 0), (5, 1), (10, 2), (12, 2), (100, 20)])
def test_short_runs_reach_it(epochs: int, first: int) -> None:
    assert Schedule(epochs).first_intervening_epoch == first


@given(st.integers(1, 300), st.floats(0, 1))
def test_below_one_it_starts_at_last(epochs: int, start: float) -> None:
    """Rounded alone, 0.95 of ten epochs were all ten, and nothing was trained to intervene."""
    assert Schedule(epochs, start).intervening(epochs - 1) == (start < 1)


@given(st.integers(1, 300), st.floats(0, 1))
def test_once_on_it_stays_on(epochs: int, start: float) -> None:
    states = [Schedule(epochs, start).intervening(e) for e in range(epochs)]
    assert states == sorted(states)


def test_impossible_schedules_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least 1 epoch, got epochs=0"):
        Schedule(0)
    with pytest.raises(ConfigurationError, match=r"between 0 and 1; got 1\.5"):
        Schedule(5, 1.5)


@given(st.integers(1, 2000), st.floats(0, 0.9))
def test_cosine_rises_once_then_falls_and_never_reaches_zero(total: int, warmup: float) -> None:
    factors = [learning_rate_factor(s, total, "cosine", warmup) for s in range(total)]
    assert all(0 < f <= 1 for f in factors)
    peak = factors.index(max(factors))
    assert factors[:peak] == sorted(factors[:peak])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)


def test_cosine_ends_where_it_says() -> None:
    assert learning_rate_factor(99, 100) == pytest.approx(FINAL_FACTOR)
    assert learning_rate_factor(5, 100) == 1.0
    assert learning_rate_factor(0, 100) == pytest.approx(1 / 6)


@given(st.integers(1, 100), st.integers(0, 99))
def test_constant_is_constant(total: int, step: int) -> None:
    assert learning_rate_factor(step, total, "constant") == 1.0


def test_settings_are_frozen_and_refuse_what_they_do_not_know() -> None:
    settings = TrainingSettings()
    assert settings.schedule.first_intervening_epoch == 10
    with pytest.raises(ValueError, match="frozen"):
        settings.lr = 1.0  # type: ignore[misc]
    with pytest.raises(WrongValueError, match="learning_rate: extra inputs are not permitted"):
        TrainingSettings(learning_rate=1.0)  # type: ignore[call-arg]
