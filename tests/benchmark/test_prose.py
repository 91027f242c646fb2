"""What the reading says where there is no gap, or where nobody gains."""

from __future__ import annotations

import pytest

from deconfound.benchmark import BenchmarkSettings
from deconfound.benchmark.prose import reading
from deconfound.benchmark.summary import shares_of
from tests.benchmark.outcomes import outcome, three

SETTINGS = BenchmarkSettings(methods=("mcdrl", "default"))


def read(plain: float, default: float, oracle: float, mcdrl: float) -> str:
    found = [*three(0, plain, default, oracle), outcome("mcdrl", mcdrl)]
    return " ".join(reading(shares_of("renderable", found, SETTINGS)))


def test_without_a_gap_no_share_is_told() -> None:
    text = read(plain=0.8, default=0.7, oracle=0.7, mcdrl=0.75)
    assert "nan" not in text
    assert "closes" not in text


def test_where_nobody_gains_nobody_closes_most_of_it() -> None:
    assert "comes nearest" not in read(plain=0.6, default=0.5, oracle=0.8, mcdrl=0.55)


def test_what_does_harm_is_not_told_as_unsure() -> None:
    found = [
        each
        for seed, noise in enumerate((-0.001, 0.0, 0.001))
        for each in (
            *three(seed, 0.6, 0.6 + 20 * noise, 0.8),
            outcome("mcdrl", 0.5 + noise, seed=seed),
        )
    ]
    text = " ".join(reading(shares_of("renderable", found, SETTINGS)))
    assert "Not told apart from closing nothing: Default." in text
    assert "Worse than plain training: MCDRL." in text


def unconfounded(*lost: float) -> str:
    """Read what is said where the default loses so much without confounding, one for each seed."""
    found = [
        each
        for seed, less in enumerate(lost)
        for each in (
            *three(seed, 0.6, 0.7, 0.8),
            outcome("default", 0.8 - less, strength=0.0, seed=seed),
        )
    ]
    return " ".join(reading(shares_of("renderable", found, SETTINGS)))


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ((0.006,), "loses 0.6 Dice to plain training: no more than the loss of 1 that is allowed."),
        ((0.023,), "loses 2.3 Dice to plain training: more than the loss of 1 that is allowed."),
        ((-0.02,), "gains 2.0 Dice on plain training: no more than the loss of 1 that is allowed."),
        (
            (-0.021, -0.02, -0.019),
            "gains 2.0 (1.8 to 2.2) Dice on plain training: no more than the loss of 1 that is "
            "allowed.",
        ),
        (
            (0.001, 0.02, 0.003),
            "loses 0.8 (-1.8 to 3.4) Dice to plain training: no more than the loss of 1 that is "
            "allowed, which the seeds do not settle.",
        ),
    ],
)
def test_the_price_of_the_default_is_told_whichever_way_it_comes_out(lost, said) -> None:
    assert f"Where nothing is confounded the default {said}" in unconfounded(*lost)


def test_a_price_that_was_not_measured_is_not_guessed() -> None:
    text = read(plain=0.6, default=0.7, oracle=0.8, mcdrl=0.65)
    assert "What the default loses without confounding was not measured." in text
    assert "adjusted oracle" not in text


def test_the_price_is_told_where_there_is_no_gap_too() -> None:
    found = [*three(0, 0.8, 0.7, 0.7), outcome("default", 0.65, strength=0.0)]
    text = " ".join(reading(shares_of("renderable", found, SETTINGS)))
    assert "there is no gap" in text
    assert "loses 5.0 Dice" in text


def test_the_gap_to_the_adjusted_oracle_is_named_as_such() -> None:
    text = unconfounded(0.04)
    assert "comes nearest and closes 50 %" in text  # of the gap to the oracle
    assert "the gap is 16.0 Dice, and the default closes 62 % of it" in text
