"""The time that is left is told truly from the first finished model on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from deconfound.benchmark import jobs_progress
from deconfound.benchmark.jobs_progress import JobsProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(jobs_progress.time, "monotonic", lambda: now[0])
    return now


def test_the_rest_is_counted_in_rounds(clock: list[float]) -> None:
    progress = JobsProgress(10, 4, Console(file=io.StringIO()))
    assert progress.left() == "-:--"
    clock[0] = 60.0
    progress.finished_after(60.0, "the first of a round")
    assert progress.left() == "3:00"  # nine are left: three rounds of a minute
    for _ in range(3):
        progress.finished_after(60.0, "as long")
    assert progress.left() == "2:00"
    clock[0] = 90.0
    assert progress.left() == "1:30"
    for _ in range(5):
        progress.finished_after(60.0, "as long")
    assert progress.left() == "1:00"  # one alone takes as long as four
    clock[0] = 200.0
    assert progress.left() == "0:00"


def test_a_terminal_shows_what_is_done_and_what_is_left(clock: list[float]) -> None:
    out = io.StringIO()
    with JobsProgress(3, 2, Console(file=out, force_terminal=True, width=80)) as progress:
        progress.finished_after(30.0, "mixed-plain: 50.0 interventional")
    shown = out.getvalue()
    assert "mixed-plain: 50.0 interventional" in shown
    assert "1/3" in shown
    assert "0:30" in shown
