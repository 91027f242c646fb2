"""A gap in two halves: lesions that are not found, and lesions that are found and misnamed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deconfound.benchmark import BenchmarkSettings, Cell, Outcome, closed_share
from deconfound.benchmark.finding import halves
from deconfound.benchmark.prose import reading
from deconfound.benchmark.report import write_report
from deconfound.benchmark.summary import shares_of
from deconfound.benchmark.written import summary_of
from tests.benchmark.outcomes import outcome

DEFAULT = Cell("renderable", "default")


def seeds() -> list[Outcome]:
    """A gap of 4 in finding and of 6 in naming; the default closes a quarter and nearly all."""
    return [
        each
        for seed in range(3)
        for each in (
            outcome("plain", 0.70, found=0.78, seed=seed),
            outcome("default", 0.77 + seed / 1000, found=0.79 + seed / 1000, seed=seed),
            outcome("plain", 0.80, strength=0.0, found=0.82, seed=seed),
        )
    ]


def test_each_half_has_its_gap_and_its_share() -> None:
    finding, naming = halves(seeds(), DEFAULT)
    assert (finding.name, naming.name) == ("finding", "naming")
    assert (finding.gap.mean, finding.closed.mean) == pytest.approx((0.04, 0.275))
    assert (naming.gap.mean, naming.closed.mean) == pytest.approx((0.06, 1.0))
    assert naming.dice.mean == pytest.approx(-0.02)


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 6), min_size=1, max_size=4))
def test_the_halves_add_up(dice: list[tuple[float, ...]]) -> None:
    found = []
    for seed, (plain, missed, own, lost, oracle, left) in enumerate(dice):
        found += [
            outcome("plain", plain * missed, found=plain, seed=seed),
            outcome("default", own * lost, found=own, seed=seed),
            outcome("plain", oracle * left, strength=0.0, found=oracle, seed=seed),
        ]
    share, (finding, naming) = closed_share(found, DEFAULT), halves(found, DEFAULT)
    assert share is not None
    assert finding.gap.mean + naming.gap.mean == pytest.approx(share.gap.mean, abs=1e-9)
    assert finding.dice.mean + naming.dice.mean == pytest.approx(share.interventional.mean)


def test_nothing_is_split_without_an_oracle() -> None:
    assert halves(seeds()[:2], DEFAULT) == []


def test_it_is_said_and_written(tmp_path) -> None:
    settings = BenchmarkSettings(worlds=("renderable",), methods=("default",))
    shares = shares_of("renderable", seeds(), settings)
    said = " ".join(reading(shares, (), halves(seeds(), DEFAULT)))
    assert "4.0 (4.0 to 4.0) Dice in finding and 6.0 (6.0 to 6.0) Dice in naming lesions" in said
    assert "100 % (100 to 100) in naming" in said
    lines = summary_of(seeds(), settings)["halves"]
    assert [(line["cell"]["method"], line["name"]) for line in lines] == [
        ("default", "finding"),
        ("default", "naming"),
    ]
    page = write_report(tmp_path / "r.html", seeds(), settings, "again").read_text()
    told = page[page.index("Finding lesions, and naming them") :]
    assert "<th>Default</th><td>79.1 (78.9 to 79.3)</td>" in told


def test_a_half_without_a_gap_has_no_share() -> None:
    level = [outcome("plain", 0.625, found=0.75), outcome("default", 0.6875, found=0.8125)]
    level.append(outcome("plain", 0.75, strength=0.0, found=0.875))
    shares = shares_of("renderable", level, BenchmarkSettings(methods=("default",)))
    said = " ".join(reading(shares, (), halves(level, DEFAULT)))
    assert "0.0 Dice in naming lesions; the default closes 50 % in finding." in said
