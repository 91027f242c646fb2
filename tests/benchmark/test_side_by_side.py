"""Processes end with whoever started them, whatever ends it, and say no word of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from deconfound.benchmark.side_by_side import side_by_side
from deconfound.errors import ConfigurationError, DeconfoundError
from tests.benchmark import jobs

ROOT = Path(__file__).resolve().parents[2]

SLEEPERS = """
import signal
import sys
from pathlib import Path
from deconfound.benchmark.side_by_side import side_by_side
from deconfound.cli import run
from tests.benchmark.jobs import sleep

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    print("begun", flush=True)
    sys.exit(run(lambda: side_by_side(sleep, [Path(sys.argv[1])] * 5, 2, print)))
"""


def until(true: Callable[[], bool], seconds: float = 120.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.1)
    return true()


def lives(number: int) -> bool:
    """Say whether a process is there; one that ended and waits to be noticed is not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def sleepers(tmp_path: Path):
    """A process of its own group, with two that sleep."""
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS)
    (tmp_path / "asleep").mkdir()
    process = subprocess.Popen(
        [sys.executable, script, tmp_path / "asleep"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process
    process.kill()


def asleep(folder: Path) -> list[int]:
    return [int(path.name) for path in (folder / "asleep").iterdir()]


def test_everything_is_done_by_fewer_threads() -> None:
    found: list[tuple[int, int]] = []
    side_by_side(jobs.threads, range(5), 2, found.append)
    assert sorted(found) == [(n, max(1, torch.get_num_threads() // 2)) for n in range(5)]


def test_an_error_comes_as_it_was_raised_and_what_ended_well_is_told() -> None:
    found: list[int] = []
    with pytest.raises(ConfigurationError, match=r"^number: expected any but 2, found 2; choose"):
        side_by_side(jobs.fail_at_two, range(4), 1, found.append)
    assert found[:2] == [0, 1]
    assert 2 not in found


def test_a_process_that_dies_is_one_sentence() -> None:
    with pytest.raises(DeconfoundError, match=r"2 jobs: expected .* one died or .* fewer --jobs"):
        side_by_side(jobs.die, [1, 1, 1], 2, print)


def test_an_accelerator_without_memory_is_one_sentence() -> None:
    with pytest.raises(DeconfoundError, match=r"2 jobs: expected .* out of memory; .* --jobs"):
        side_by_side(jobs.run_out_of_memory, [1, 1], 2, print)


def test_no_more_jobs_than_there_is_to_do_share_the_threads() -> None:
    found: list[tuple[int, int]] = []
    side_by_side(jobs.threads, [7], 16, found.append)
    assert found == [(7, torch.get_num_threads())]


def test_ctrl_c_ends_the_processes_and_is_one_line(sleepers, tmp_path: Path) -> None:
    assert until(lambda: len(asleep(tmp_path)) == 2)
    os.killpg(sleepers.pid, signal.SIGINT)
    _, said = sleepers.communicate(timeout=60)
    assert (sleepers.returncode, said) == (130, "stopped; what was finished is kept\n")
    assert until(lambda: not any(map(lives, asleep(tmp_path))))


def test_ctrl_c_at_the_very_start_is_one_line_too(sleepers) -> None:
    assert sleepers.stdout.readline() == "begun\n"
    time.sleep(0.3)  # the processes are there, and import
    os.killpg(sleepers.pid, signal.SIGINT)
    _, said = sleepers.communicate(timeout=60)
    assert (sleepers.returncode, said) == (130, "stopped; what was finished is kept\n")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_a_kill_ends_the_processes(sleepers, tmp_path: Path) -> None:
    assert until(lambda: len(asleep(tmp_path)) == 2)
    assert all(map(lives, asleep(tmp_path)))
    sleepers.kill()
    assert until(lambda: not any(map(lives, asleep(tmp_path))), seconds=20)
