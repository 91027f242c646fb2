"""How much a study has to train: known from its start, and shown by one bar."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from recipes.endoscopy_mcdrl.study import executors, plan
from recipes.endoscopy_mcdrl.study.cells import Cell, CellRecord
from recipes.endoscopy_mcdrl.study.settings import StudySettings
from recipes.endoscopy_mcdrl.study.work import Work
from tests.recipes.frames import Finished

SITES = ("A", "B")
SETTINGS = StudySettings(methods=("baseline", "mcdrl"), trials=3, seeds=3)
TRIALS = plan.trial_cells(SETTINGS, SITES)
ALL = 2 * 2 * (3 + 2)  # methods, sites, and three trials of which one has two further seeds


def finished(*cells: Cell) -> Finished:
    store = Finished()
    for cell in cells:
        store.finish(CellRecord(cell, 0.5, 0, 1.0, 1.0, "cpu"))
    return store


def test_the_number_of_repeats_is_known_before_the_winners_are():
    work = Work(TRIALS, finished(), searched=SETTINGS)
    assert (work.total, work.left()) == (ALL, ALL)


def test_what_is_left_is_exact_however_far_a_study_came():
    first, *others = TRIALS
    assert Work(TRIALS, finished(first), SETTINGS).left() == ALL - 1
    repeats = [replace(first, seed=seed) for seed in (0, 1)]
    assert Work(TRIALS, finished(*TRIALS, *repeats), SETTINGS).left() == ALL - len(TRIALS) - 1
    assert Work([first, *others[:2]], finished(*TRIALS, *repeats), SETTINGS).left() == 1


def test_without_a_search_there_is_one_round():
    work = Work(TRIALS[:3], finished(TRIALS[0]))
    assert [list(cells) for cells in work.rounds()] == [TRIALS[:3]]
    assert (work.total, work.left()) == (3, 2)


@pytest.fixture
def at_once(monkeypatch) -> Finished:
    """A store in which cells are finished as soon as they are begun."""
    store = Finished()

    def run(cell, settings, progress):
        store.finish(CellRecord(cell, 0.5, 0, 1.0, 1.0, "cpu"))
        return store.record(cell)

    monkeypatch.setattr(executors, "run_cell", run)
    return store


def test_one_bar_shows_trials_and_repeats_together(at_once, monkeypatch):
    shown = []

    class Watched(executors.ModelsProgress):
        def finished(self, line):
            super().finished(line)
            (task,) = self.bar.tasks
            shown.append((task.completed, task.total))

    monkeypatch.setattr(executors, "ModelsProgress", Watched)
    out = StringIO()
    executors.run_work(Work(TRIALS, at_once, SETTINGS), SETTINGS, Console(file=out))
    assert shown == [(done, ALL) for done in range(1, ALL + 1)]
    assert out.getvalue().count(f"cells      {ALL}, 0 of them finished") == 1
