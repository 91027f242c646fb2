"""What is finished is never repeated, and what was killed goes on to the same end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deconfound.benchmark import BenchmarkSettings, Cell
from deconfound.benchmark import runner as runner_module
from deconfound.benchmark.cells import Outcome
from deconfound.benchmark.named import NAMED
from deconfound.benchmark.runner import run_cell, run_cells
from deconfound.training.history import EpochRecord
from deconfound.training.progress import Silent
from tests.benchmark.outcomes import outcome

SMALL = BenchmarkSettings(images=50, test_images=20, image_size=64, epochs=2)
CELL = Cell("renderable", "default")


class Killed(Exception):
    """What stands for a kill."""


class KilledAfter(Silent):
    """Lets some epochs be finished."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def epoch(self, record: EpochRecord) -> None:
        self.left -= 1
        if not self.left:
            raise Killed


def without_time(found: Outcome) -> dict:
    return {**found.to_json(), "seconds": 0}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Outcome:
    """The cell as it ends when nobody kills it."""
    return run_cell(CELL, SMALL, tmp_path_factory.mktemp("whole") / "work", Silent())


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_killed_cell_goes_on_to_the_same_end(tmp_path: Path, epochs: int, whole: Outcome) -> None:
    with pytest.raises(Killed):
        run_cell(CELL, SMALL, tmp_path / "cut", KilledAfter(epochs))
    resumed = run_cell(CELL, SMALL, tmp_path / "cut", Silent())
    assert without_time(resumed) == without_time(whole)
    assert not (tmp_path / "cut").exists()


def test_finished_cells_are_not_trained_again(tmp_path: Path, monkeypatch) -> None:
    cells = [Cell("renderable", "plain"), CELL, Cell("mixed", "plain")]
    trained: list[Cell] = []

    def train(cell: Cell, *_: object):
        trained.append(cell)
        if trained.count(CELL) == 1 and cell == CELL:
            raise Killed
        return outcome(cell.method, 0.5, world=cell.world)

    monkeypatch.setattr(runner_module, "run_cell", train)
    with pytest.raises(Killed):
        run_cells(cells, SMALL, tmp_path, Silent())
    found = run_cells(cells, SMALL, tmp_path, Silent())
    assert [each.cell for each in found] == cells
    assert trained == [cells[0], CELL, CELL, cells[2]]
    assert run_cells(cells, SMALL, tmp_path, Silent()) == found
    assert len(trained) == 4


@pytest.mark.filterwarnings("ignore:merge='replace' is the literal equation")
@pytest.mark.parametrize("method", sorted(NAMED))  # test_sums.py trains every part
def test_every_method_trains(tmp_path: Path, method: str) -> None:
    short = SMALL.model_copy(update={"epochs": 1, "image_size": 64})
    found = run_cell(Cell("mixed", method), short, tmp_path / "work", Silent())
    dice = (found.observational, found.interventional, found.reversed)
    assert all(0 <= each <= 1 for each in dice)
    assert sum(count for row in found.table.values() for _, count in row.values()) == 20
    json.dumps(found.to_json(), allow_nan=False)
