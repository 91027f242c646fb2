"""What the reading says where there is no gap, or where nobody gains."""

from __future__ import annotations

from deconfound.benchmark import BenchmarkSettings
from deconfound.benchmark.reading import reading
from deconfound.benchmark.report import shares_of
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
    assert "closes most of it" not in read(plain=0.6, default=0.5, oracle=0.8, mcdrl=0.55)
