"""One command at a time: a lock on a file, which a process gives back however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from deconfound.training.files import unwritable


def nothing() -> None:
    """Say nothing to whoever waits."""


@contextmanager
def locked(path: Path, busy: Callable[[], None] = nothing) -> Iterator[None]:
    """Hold a lock for a while; who comes later waits.

    Args:
        path: of the lock; its folder is made where it is missing, and the file stays.
        busy: called once where somebody else holds it; what it raises ends the waiting.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        busy()
        lock.acquire()
    except OSError as error:
        raise unwritable(path.parent, error) from error
    try:
        yield
    finally:
        lock.release()
