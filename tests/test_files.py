"""A file is whole or not there, however its writer ends."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from deconfound.files import write_whole

WRITE_FOR_EVER = """
import os, sys, numpy as np
from pathlib import Path
from safetensors.numpy import save_file
from deconfound.files import write_whole
os.fsync = lambda file: None  # most of the time would go there
large = {"x": np.zeros(2**24, np.uint8)}
while True:
    write_whole(Path(sys.argv[1]), lambda partial: save_file(large, partial))
"""


def save(path: Path) -> None:
    write_whole(path, lambda partial: save_file({"x": np.ones(3)}, partial))


def test_the_next_write_removes_what_a_kill_left(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    writer = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, str(path)])
    try:
        while not list(tmp_path.glob(".*/.tmp*")):  # the name under which safetensors writes
            assert writer.poll() is None
            time.sleep(0.001)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    save(path)
    assert [each.name for each in tmp_path.rglob("*")] == [path.name]
    assert load_file(path)["x"].tolist() == [1, 1, 1]


def test_a_file_is_for_whoever_the_umask_lets_read(tmp_path: Path) -> None:
    save(tmp_path / "ours")
    (tmp_path / "any").touch()
    ours, any_other = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "any"))
    assert ours == any_other


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    def full(partial: Path) -> None:
        partial.write_text("half")
        raise OSError(28, "No space left on device")

    path = tmp_path / "x"
    path.write_text("whole")
    with pytest.raises(OSError, match="No space"):
        write_whole(path, full)
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]
