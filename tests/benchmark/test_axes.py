"""The share along strength, size and quality: with intervals, in the summary and on the page."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from deconfound.benchmark import BenchmarkSettings, Cell, Outcome, closed_share
from deconfound.benchmark.axes import along_axes
from deconfound.benchmark.prose import percent
from deconfound.benchmark.report import write_report
from deconfound.benchmark.written import summary_of
from tests.benchmark.outcomes import outcome, three

SETTINGS = BenchmarkSettings(worlds=("renderable",), methods=("mcdrl", "default"), seeds=3)


def swept() -> list[Outcome]:
    """Plain training and the default over strengths, the default over sizes and words."""
    found = []
    for seed in range(3):
        noise = seed / 200
        found += [
            *three(seed, 0.60 + noise, 0.70 + 2 * noise, 0.80),
            outcome("mcdrl", 0.61, seed=seed),
            outcome("plain", 0.70 + noise, strength=0.8, seed=seed),
            outcome("default", 0.78 + noise, strength=0.8, seed=seed),
            outcome("default", 0.79, strength=0.0, seed=seed),
            outcome("default", 0.65 + noise, size=3, seed=seed),
            outcome("default", 0.64 + noise, quality="wrong", seed=seed),
        ]
    return found


def test_every_value_that_was_trained_has_its_share_with_an_interval() -> None:
    found = {(p.axis, p.value, p.share.cell.method): p.share for p in along()}
    assert set(found) == {
        *(("strength", s, m) for s in (0.0, 0.8, 0.95) for m in ("plain", "default")),
        *(("size", s, "default") for s in (3, 12)),
        *(("quality", q, "default") for q in ("true", "wrong")),
    }
    for (axis, value, method), share in found.items():
        assert getattr(share.cell, axis) == value
        assert share.closed.seeds == 3
        assert share == closed_share(swept(), share.cell)
        assert math.isnan(share.closed.low) == (value == 0), (axis, value, method)
    assert found["strength", 0.8, "default"].gap.mean == pytest.approx(0.095)  # its own, not 0.95's
    assert found["size", 3, "default"].closed.mean == pytest.approx(0.05 / 0.195)


def along() -> list:
    return along_axes("renderable", swept(), SETTINGS)


def test_what_was_not_varied_is_no_axis() -> None:
    base = [each for each in swept() if each.cell in {Cell("renderable", "plain", s, seed=q)
            for s in (0.0, 0.95) for q in range(3)} | {Cell("renderable", "default", s, seed=q)
            for s in (0.0, 0.95) for q in range(3)}]  # fmt: skip
    assert along_axes("renderable", base, SETTINGS) == []


def test_values_come_in_their_order() -> None:
    settings = SETTINGS.model_copy(update={"sizes": (15, 3), "strengths": (0.8, 0.99)})
    order = [p.value for p in along_axes("renderable", swept(), settings) if p.axis == "size"]
    assert order == [3, 12]


def test_the_summary_has_a_tidy_list_of_them() -> None:
    summary = json.loads(json.dumps(summary_of(swept(), SETTINGS), allow_nan=False))
    assert [share["cell"]["method"] for share in summary["renderable"]] == ["default", "mcdrl"]
    lines = summary["axes"]
    (small,) = [line for line in lines if (line["axis"], line["value"]) == ("size", 3)]
    assert small["closed"]["low"] < small["closed"]["mean"] < small["closed"]["high"]
    assert small["reversed"]["seeds"] == 3
    assert small["worst"] == ["polyp", "dark", pytest.approx(0.4)]
    unconfounded = [line for line in lines if line["value"] == 0.0]
    assert {line["closed"]["mean"] for line in unconfounded} == {None}  # no gap, no share


def test_the_page_draws_and_lists_them(tmp_path: Path) -> None:
    page = write_report(tmp_path / "r.html", swept(), SETTINGS, "again").read_text()
    for title in ("Gap closed by strength", "Gap closed by size", "Gap closed by quality"):
        assert title in page
    share = closed_share(swept(), Cell("renderable", "default", size=3))
    assert share is not None
    assert f"Default: 3 {percent(share.closed)}" in page  # for those who do not see it
    assert "One thing varied at a time" in page


def test_error_bars_are_as_long_as_the_intervals() -> None:
    from matplotlib.figure import Figure

    from deconfound.benchmark.figures import paint_lines
    from deconfound.benchmark.summary import Estimate

    axes = Figure().add_subplot()
    sure, single = Estimate(0.5, 0.4, 0.7, 3), Estimate(0.6, math.nan, math.nan, 1)
    lines = {
        "default": [("3", sure), ("12", single), ("15", Estimate(0.6, -math.inf, math.inf, 3))]
    }
    paint_lines(axes, ["3", "12", "15"], lines, (-100, 200))
    bars = [c for c in axes.collections for c in c.get_segments()]
    ends = sorted((round(float(s[0][1]), 6), round(float(s[1][1]), 6)) for s in bars)
    assert ends == [(-100, 200), (40, 70)]
