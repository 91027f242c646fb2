"""The same work on many things, several at a time, each in a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from threading import Thread
from typing import TypeVar

import torch

from deconfound.errors import DeconfoundError

Thing = TypeVar("Thing")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[Thing], Result],
    things: Sequence[Thing],
    jobs: int,
    done: Callable[[Result], None],
) -> None:
    """Work on every thing; return when all are done.

    Processes are spawned, as CUDA and torch's threads do not survive a fork, and share this one's
    torch threads out among them. However this ends, by an error, by Ctrl-C or by a kill of this
    process, they end with it.

    Args:
        work: what is done in the other processes: a function of a module, or a partial of one.
        things: what it is done to; begun in their order.
        jobs: how many at a time.
        done: called here with each result, in the order in which they come.

    Raises:
        DeconfoundError: a process died, or had no memory left on the accelerator.
        Exception: the first that ``work`` raised, after ``done`` was called with all that is done.
    """
    context, jobs = get_context("spawn"), max(1, min(jobs, len(things)))
    lifeline, held = context.Pipe(duplex=False)
    threads = max(1, torch.get_num_threads() // jobs)
    pool = ProcessPoolExecutor(jobs, context, _begin, (lifeline, threads))
    try:
        with _without_ctrl_c():
            results = [pool.submit(work, thing) for thing in things]
        waiting = set(results)
        for result in as_completed(results):
            if result.exception() is not None:
                break
            waiting.remove(result)
            done(result.result())
        ended = [result for result in waiting if result.done()]
        for result in sorted(ended, key=lambda one: one.exception() is not None):
            done(result.result())  # what ended well beside the one that failed is not lost
    except (BrokenProcessPool, torch.OutOfMemoryError) as error:
        raise DeconfoundError(
            f"{jobs} jobs: expected their processes to live until all was done, found that one "
            f"died or ran out of memory; give the command again with fewer --jobs, and it resumes"
        ) from error
    finally:
        held.close()  # a pool by itself would wait for what its processes have begun
        pool.shutdown()
        lifeline.close()


def _begin(lifeline: Connection, threads: int) -> None:
    """Prepare a process for its work."""
    torch.set_num_threads(threads)
    Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    """End this process when the other end of the line is closed, or its holder is no more."""
    wait([lifeline])
    os._exit(1)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Start processes inside that do not hear Ctrl-C, which a terminal sends to all of them.

    It is held back for this thread, and a new process inherits that; one that comes meanwhile is
    heard at the end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
