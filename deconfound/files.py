"""Writing a file so that a reader, or a killed run, never meets half of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file in a folder beside ``path``, flush it to the disk, and move it.

    A folder, because safetensors writes under a name of its own first, which a kill would leave;
    its name is fixed, so that the next write removes whatever is in it.

    Args:
        path: the file; its folder is made where it is missing.
        write: gets the path to fill.

    Raises:
        OSError: the file cannot be written, or what ``write`` raises.
    """
    staging = path.with_name(f".{path.name}.partial")
    partial = staging / path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        write(partial)
        # As any new file, though safetensors keeps its own to their owner: the umask without x.
        partial.chmod(staging.stat().st_mode & 0o666)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
