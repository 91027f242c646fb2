"""The table in a terminal: every figure in eighty columns, and where the rest is."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from deconfound.benchmark import BenchmarkSettings
from deconfound.benchmark.terminal import tell
from tests.benchmark.outcomes import outcome, three

NAMES = ("default", "unbalanced", "doubly_robust+transplant", "monte_carlo+film+learned")


@pytest.fixture
def told() -> str:
    settings = BenchmarkSettings(worlds=("renderable",), methods=NAMES, seeds=3)
    found = [
        each
        for seed in range(3)
        for each in (
            *three(seed, 0.613 + seed / 77, 0.702 - seed / 91, 0.811),
            outcome("default", 0.79 + seed / 50, strength=0.0, seed=seed),
            *(outcome(name, 0.6 + seed / 10, seed=seed) for name in NAMES[1:]),
        )
    ]
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    tell(console, found, settings, Path("somewhere/report.html"))
    return console.export_text()


def test_it_fits_eighty_columns_whole(told: str) -> None:
    assert max(len(line.rstrip()) for line in told.splitlines()) <= 80
    assert "…" not in told


def test_it_has_every_distribution_and_the_worst_cell(told: str) -> None:
    head = told[: told.index("Plain")]
    for column in ("gap closed", "adjusted", "do(F)", "obs.", "rev.", "lost", "worst"):
        assert column in head, column
    (plain,) = [line for line in told.splitlines() if line.strip().startswith("Plain")]
    assert plain.split() == ["Plain", "0", "%", "0", "%", "62.6", "72.6", "52.6", "–", "40"]


def test_it_says_where_the_rest_is(told: str) -> None:
    assert "somewhere/report.html" in told
    flat = " ".join(told.split())
    assert "The report has intervals of Dice too, the class and confounder of the worst" in flat
