"""The page, and what it says of the numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deconfound.benchmark import BenchmarkSettings, Cell, closed_share
from deconfound.benchmark.prose import percent, points, reading
from deconfound.benchmark.report import write_report
from deconfound.benchmark.rows import rows_of
from deconfound.benchmark.summary import Estimate, shares_of
from tests.benchmark.outcomes import outcome, three

SETTINGS = BenchmarkSettings(methods=("mcdrl", "default"), seeds=3)


def rounds(mcdrl: float, default: float, count: int = 3) -> list:
    return [
        each
        for seed in range(count)
        for each in (
            *three(seed, 0.60, default + seed / 100, 0.80 + seed / 500),
            outcome("mcdrl", mcdrl + seed / 100, seed=seed),
        )
    ]


def read(mcdrl: float, default: float, count: int = 3) -> str:
    return " ".join(reading(shares_of("renderable", rounds(mcdrl, default, count), SETTINGS)))


def test_the_best_comes_first() -> None:
    order = [s.cell.method for s in shares_of("renderable", rounds(0.62, 0.77), SETTINGS)]
    assert order == ["default", "mcdrl"]


def test_a_default_that_wins_is_said_to_win() -> None:
    text = read(mcdrl=0.60, default=0.78)
    assert "Default comes nearest" in text
    assert "reaches the aim of 80 %" in text


def test_a_default_that_loses_is_said_to_lose() -> None:
    text = read(mcdrl=0.75, default=0.62)
    assert "MCDRL comes nearest" in text
    assert "less than the best of its rivals" in text
    assert "misses the aim of 80 %" in text


def test_a_share_that_could_be_nothing_is_not_sold_as_one() -> None:
    assert "Not told apart from closing nothing: MCDRL" in read(mcdrl=0.60, default=0.78)


def test_one_seed_is_said_to_be_one() -> None:
    text = read(mcdrl=0.62, default=0.78, count=1)
    assert "One seed: no intervals" in text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("estimate", "as_points", "as_percent"),
    [
        (Estimate(-0.0004, -0.1, 0.1, 3), "0.0 (-10.0 to 10.0)", "0 % (-10 to 10)"),
        (Estimate(0.512, 0.4, 0.61, 3), "51.2 (40.0 to 61.0)", "51 % (40 to 61)"),
        (Estimate(0.512, float("nan"), float("nan"), 1), "51.2", "51 %"),
        (
            Estimate(0.5, -float("inf"), float("inf"), 3),
            "50.0 (−∞ to ∞)",
            "50 % (−∞ to ∞)",
        ),
    ],
)
def test_numbers_in_words(estimate: Estimate, as_points: str, as_percent: str) -> None:
    assert points(estimate) == as_points
    assert percent(estimate) == as_percent


@pytest.fixture
def page(tmp_path: Path) -> str:
    axes = [
        outcome(method, 0.8 - strength / 10, strength=strength, seed=seed)
        for method in ("plain", "default")
        for strength in (0.5, 0.99)
        for seed in range(3)
    ]
    found = [*rounds(0.62, 0.77), *axes]
    path = write_report(tmp_path / "report.html", found, SETTINGS, "deconfound <again> & again")
    return path.read_text()


def test_the_page_needs_nothing_but_a_browser(page: str) -> None:
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["']?https?:""", page)
    assert page.count("<svg") >= 3


def test_the_page_shows_shares_scores_and_the_command(page: str) -> None:
    share = closed_share(rounds(0.62, 0.77), Cell("renderable", "default"))
    assert share is not None
    assert percent(share.closed) in page
    assert "deconfound &lt;again&gt; &amp; again" in page
    assert "polyp, dark: 40" in page


def test_the_page_reads_the_same_to_those_who_do_not_see_it(page: str) -> None:
    assert page.count("<figure") == page.count('role="img" aria-label="')
    assert not re.search(r'aria-label="\s*"', page)
    assert "Share closed: " in page


def test_a_drawing_says_in_words_that_there_is_no_gap() -> None:
    from deconfound.benchmark.figures import closed_panel

    shares = shares_of("renderable", three(0, plain=0.8, mine=0.7, oracle=0.7), SETTINGS)
    assert closed_panel(shares, "renderable").alt == "Share closed: Default no gap"


def test_a_benchmark_that_has_only_begun_has_a_page(tmp_path: Path) -> None:
    path = write_report(tmp_path / "report.html", rounds(0.6, 0.7)[:1], SETTINGS, "again")
    assert "No method is finished yet" in path.read_text()


def test_the_table_has_the_oracles_side_by_side_and_says_what_was_not_trained(tmp_path) -> None:
    found = [
        *rounds(0.62, 0.77),
        *(outcome("default", 0.79, strength=0.0, seed=s) for s in range(3)),
    ]
    rows = rows_of("renderable", found, shares_of("renderable", found, SETTINGS))
    titles = [row.title for row in rows]
    assert titles == ["Plain", "Unconfounded", "Unconfounded default", "Default", "MCDRL"]
    plain, oracle, adjusted, default, mcdrl = rows
    assert (plain.closed, oracle.closed) == ("0 %", "100 %")
    assert (plain.closed_adjusted, adjusted.closed_adjusted) == ("0 %", "100 %")
    assert oracle.closed_adjusted.startswith("106 %")
    assert adjusted.closed.startswith("94 %")
    assert adjusted.lost == default.lost
    assert default.lost.startswith("1.2 (")
    assert (plain.lost, oracle.lost, mcdrl.lost) == ("–", "–", "–")
    page = write_report(tmp_path / "r.html", found, SETTINGS, "again").read_text()
    assert page.index("Unconfounded default") > page.index("lost without confounding")


def test_without_an_adjusted_oracle_its_row_and_its_figure_are_left_out() -> None:
    found = rounds(0.62, 0.77)
    rows = rows_of("renderable", found, shares_of("renderable", found, SETTINGS))
    assert "Unconfounded default" not in [row.title for row in rows]
    assert {row.closed_adjusted for row in rows[1:]} == {"–"}
