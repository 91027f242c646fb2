"""All frames of a study as tables: what is compared in one, what else was tried in another."""

from __future__ import annotations

from . import plan
from .store import Store


def collect(store: Store, first_seed: int) -> None:
    """Write ``results.*`` and ``tried.*`` of every finished cell, whatever command trained it.

    A table of everything could not be averaged: it would count settings that lost their search,
    and nothing in it would say which won.

    Args:
        store: the study.
        first_seed: with which settings were searched.

    Raises:
        RunFolderError: nothing is finished, or something finished cannot be read.
    """
    with store.writing():
        finished = store.finished()
        compared = plan.compared_cells(finished, store, first_seed)
        store.write_frames("results", compared)
        store.write_frames("tried", [cell for cell in finished if cell not in compared])
