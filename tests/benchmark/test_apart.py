"""Confounders that can be drawn and those that cannot, apart, where a world has both."""

from __future__ import annotations

import pytest

from deconfound.benchmark import BenchmarkSettings, Cell, Outcome
from deconfound.benchmark.apart import apart
from deconfound.benchmark.prose import reading
from deconfound.benchmark.report import write_report
from deconfound.benchmark.summary import shares_of
from deconfound.benchmark.written import summary_of

SETTINGS = BenchmarkSettings(worlds=("mixed",), methods=("default",))


def outcome(method: str, strength: float, drawn: float, other: float, seed: int = 0) -> Outcome:
    """Thirty pictures under what can be drawn, ten under what cannot, ten under nothing."""
    table = {
        "polyp": {"nbi": (drawn - 0.1, 10), "palette": (other, 4), "none": (0.0, 10)},
        "nodule": {"dark": (drawn + 0.05, 20), "vignette": (other, 6)},
    }
    cell = Cell("mixed", method, strength, seed=seed)
    return Outcome(cell, 0.9, (3 * drawn + other) / 4, 0.3, 0.9, table, 1.0)


def found() -> list[Outcome]:
    return [
        each
        for seed in range(3)
        for each in (
            outcome("plain", 0.95, 0.6, 0.4 + seed / 100, seed),
            outcome("plain", 0.0, 0.8, 0.8, seed),
            outcome("default", 0.95, 0.75, 0.5 + seed / 50, seed),
        )
    ]


def test_each_kind_has_its_own_gap_and_share() -> None:
    drawn, other = apart(found(), Cell("mixed", "default"))
    assert (drawn.name, other.name) == ("renderable", "unrenderable")
    assert (drawn.gap.mean, drawn.closed.mean) == pytest.approx((0.2, 0.75))
    assert other.gap.mean == pytest.approx(0.39)
    assert other.closed.mean == pytest.approx(0.11 / 0.39)
    assert other.closed.low < other.closed.mean < other.closed.high
    assert drawn.dice.mean == pytest.approx(0.75)  # over pictures, not over cells


def test_a_world_of_one_kind_has_nothing_apart() -> None:
    one = [
        Outcome(each.cell, 0.9, 0.5, 0.3, 0.6, {"polyp": {"nbi": (0.5, 9), "none": (0.5, 9)}}, 1.0)
        for each in found()
    ]
    assert apart(one, Cell("mixed", "default")) == []


def test_a_seed_that_shows_one_kind_alone_is_left_out() -> None:
    outcomes = found()
    bare = {"polyp": {"nbi": (0.5, 9)}}
    outcomes[2] = Outcome(outcomes[2].cell, 0.9, 0.5, 0.3, 0.6, bare, 1.0)
    assert [each.closed.seeds for each in apart(outcomes, Cell("mixed", "default"))] == [2, 2]


def test_it_is_said_and_written(tmp_path) -> None:
    shares = shares_of("mixed", found(), SETTINGS)
    said = " ".join(reading(shares, apart(found(), Cell("mixed", "default"))))
    assert "the default closes 75 % (75 to 75) on pictures whose confounder can be drawn" in said
    assert "on pictures whose confounder cannot" in said
    lines = summary_of(found(), SETTINGS)["apart"]
    assert [(line["cell"]["method"], line["name"]) for line in lines] == [
        ("default", "renderable"),
        ("default", "unrenderable"),
    ]
    page = write_report(tmp_path / "r.html", found(), SETTINGS, "again").read_text()
    told = page[page.index("What can be drawn, and what cannot") :]
    assert "<th>Default</th><td>75.0 (75.0 to 75.0)</td><td>75 % (75 to 75)</td>" in told
