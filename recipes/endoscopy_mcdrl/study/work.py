"""What a command has to train: how many cells is known before it is known which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from . import plan
from .cells import Cell
from .settings import StudySettings
from .store import Store


@dataclass(frozen=True)
class Work:
    """Cells in one round, or in two: a search, and then its winners with every seed.

    Attributes:
        first: cells that are known from the start.
        store: says which are finished.
        searched: the study whose search the first round is; None where nothing follows it.
    """

    first: Sequence[Cell]
    store: Store
    searched: StudySettings | None = None

    def rounds(self) -> Iterator[Sequence[Cell]]:
        """Yield the cells of each round; the second can be asked for once the first is done."""
        yield self.first
        if self.searched is not None:
            yield self.repeats(self.first)

    def repeats(self, trials: Sequence[Cell]) -> list[Cell]:
        """Return the winners of finished trials, with every seed."""
        if self.searched is None:
            return []
        return plan.repeated(plan.chosen_cells(trials, self.store), self.searched)

    @property
    def total(self) -> int:
        """How many cells there are, finished or not; a winner's first seed is its trial."""
        return len(self.first) + len(self._searches()) * self._further_seeds

    def left(self) -> int:
        """Return how many are not finished; of a search without a winner yet, all its repeats."""
        trials = list(self._searches().values())
        done = [group for group in trials if not self.unfinished(group)]
        repeats = self.repeats([cell for group in done for cell in group])
        unknown = (len(trials) - len(done)) * self._further_seeds
        return len(self.unfinished([*self.first, *repeats])) + unknown

    def unfinished(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return those that are to be trained, once each."""
        return [cell for cell in dict.fromkeys(cells) if not self.store.is_finished(cell)]

    @property
    def _further_seeds(self) -> int:
        return 0 if self.searched is None else self.searched.seeds - 1

    def _searches(self) -> dict[Cell, list[Cell]]:
        """Return the trials of each search: of one method, backbone and held-out site."""
        searches: dict[Cell, list[Cell]] = {}
        for cell in self.first:
            searches.setdefault(replace(cell, setting=()), []).append(cell)
        return searches
