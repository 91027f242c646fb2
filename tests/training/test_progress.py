from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from deconfound.training.engine import fit
from deconfound.training.history import EpochRecord
from deconfound.training.progress import TrainingProgress, clock
from deconfound.training.run_folder import RunFolder
from deconfound.training.settings import TrainingSettings

from .standin import Disks, SmallCriterion, SmallSegmenter


def watch(run: RunFolder, settings: TrainingSettings, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=140, color_system=None)
    model, criterion = SmallSegmenter(), SmallCriterion()
    with TrainingProgress(console) as progress:
        fit(model, criterion, Disks(8), Disks(3), settings, run, progress, method="mcdrl")
    return out.getvalue()


def test_a_log_gets_one_line_an_epoch(run: RunFolder, settings: TrainingSettings) -> None:
    lines = watch(run, settings, terminal=False).splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("mcdrl  epoch 1/5  loss 0.")
    assert lines[0].endswith("left  (before the intervention)")
    assert "images/s" in lines[1]
    assert lines[-1].endswith("0:00 left")


def test_a_terminal_gets_one_bar_for_all_epochs(run: RunFolder, settings: TrainingSettings) -> None:
    shown = watch(run, settings, terminal=True)
    last = [line for line in shown.splitlines() if "mcdrl" in line][-1]
    assert "mcdrl" in last
    assert "epoch 5/5" in last
    assert "val Dice" in last
    assert "left" in last


def test_a_resumed_bar_starts_where_it_was(tmp_path: Path) -> None:
    out = io.StringIO()
    progress = TrainingProgress(Console(file=out, force_terminal=True, width=120))
    progress.begin("mcdrl", epochs=10, epochs_done=4, images=100)
    assert progress._bar is not None
    task = progress._bar.tasks[0]
    assert (task.completed, task.total) == (400, 1000)
    progress.end()


def test_remaining_time_counts_the_epochs_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 10.0])
    monkeypatch.setattr("deconfound.training.progress.time.monotonic", lambda: next(now))
    out = io.StringIO()
    progress = TrainingProgress(Console(file=out, width=200))
    progress.begin("mcdrl", epochs=10, epochs_done=4, images=100)
    progress.epoch(EpochRecord("mcdrl", 4, True, 1e-4, 1, 1, 0, 0, 0.5, 0.4, 0.9, True, 100, 10.0))
    assert "epoch 5/10" in out.getvalue()
    assert "10 images/s  0:50 left" in out.getvalue()


def test_only_the_first_process_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    out = io.StringIO()
    progress = TrainingProgress(Console(file=out))
    progress.begin("mcdrl", epochs=1, epochs_done=0, images=4)
    progress.epoch(EpochRecord("mcdrl", 0, True, 1e-4, 1, 1, 0, 0, 0.5, 0.4, 0.9, True, 4, 1.0))
    assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3725, "1:02:05")]
)
def test_clock(seconds: float, told: str) -> None:
    assert clock(seconds) == told
