"""What other processes do in tests; they import it from here."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

from deconfound.errors import ConfigurationError


def threads(number: int) -> tuple[int, int]:
    return number, torch.get_num_threads()


def fail_at_two(number: int) -> int:
    if number == 2:
        raise ConfigurationError("number: expected any but 2, found 2; choose another")
    return number


def run_out_of_memory(number: int) -> int:
    raise torch.OutOfMemoryError("CUDA out of memory.")


def die(number: int) -> int:
    os._exit(number)


def sleep(folder: Path) -> int:
    """Leave one's process number in a folder, and sleep for longer than any test."""
    (folder / str(os.getpid())).touch()
    time.sleep(600)
    return 0
