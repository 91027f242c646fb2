"""What is finished is never repeated, and what was killed goes on to the same end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from deconfound.benchmark import BenchmarkSettings, Cell
from deconfound.benchmark import runner as runner_module
from deconfound.benchmark.cells import Outcome
from deconfound.benchmark.ledger import Ledger
from deconfound.benchmark.named import NAMED
from deconfound.benchmark.runner import run_cell, run_cells
from deconfound.errors import DeconfoundError, RunFolderError
from deconfound.training.history import EpochRecord
from deconfound.training.progress import Watcher
from tests.benchmark.outcomes import outcome

TINY = BenchmarkSettings(images=50, test_images=20, image_size=64, epochs=1)
SMALL = BenchmarkSettings(images=50, test_images=20, image_size=64, epochs=2)
CELL = Cell("renderable", "default")


class Killed(Exception):
    """What stands for a kill."""


class KilledAfter(Watcher):
    """Lets some epochs be finished."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def epoch(self, record: EpochRecord) -> None:
        self.left -= 1
        if not self.left:
            raise Killed


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Another number of threads may round otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def without_time(found: Outcome) -> dict:
    return {**found.to_json(), "seconds": 0}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Outcome:
    """The cell as it ends when nobody kills it."""
    return run_cell(CELL, SMALL, tmp_path_factory.mktemp("whole") / "work", Watcher())


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_killed_cell_goes_on_to_the_same_end(tmp_path: Path, epochs: int, whole: Outcome) -> None:
    with pytest.raises(Killed):
        run_cell(CELL, SMALL, tmp_path / "cut", KilledAfter(epochs))
    resumed = run_cell(CELL, SMALL, tmp_path / "cut", Watcher())
    assert without_time(resumed) == without_time(whole)


def test_finished_cells_are_not_trained_again(tmp_path: Path, monkeypatch) -> None:
    cells = [Cell("renderable", "plain"), CELL, Cell("mixed", "plain")]
    trained: list[Cell] = []

    def train(cell: Cell, settings: BenchmarkSettings, folder: Path, watcher: Watcher):
        trained.append(cell)
        folder.mkdir(parents=True, exist_ok=True)
        if trained.count(CELL) == 1 and cell == CELL:
            raise Killed
        return outcome(cell.method, 0.5, world=cell.world)

    monkeypatch.setattr(runner_module, "run_cell", train)
    with pytest.raises(Killed):
        run_cells(cells, SMALL, tmp_path, Watcher())
    found = run_cells(cells, SMALL, tmp_path, Watcher())
    assert [each.cell for each in found] == cells
    assert trained == [cells[0], CELL, CELL, cells[2]]
    assert run_cells(cells, SMALL, tmp_path, Watcher()) == found
    assert len(trained) == 4
    assert not (tmp_path / "work").exists()


def test_a_kill_before_a_line_is_written_costs_no_training(tmp_path: Path, monkeypatch) -> None:
    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(Ledger, "append", die)
    with pytest.raises(Killed):
        run_cells([CELL], TINY, tmp_path, Watcher())
    monkeypatch.undo()
    watcher = KilledAfter(1)
    run_cells([CELL], TINY, tmp_path, watcher)
    assert watcher.left == 1  # no epoch was trained again


def test_what_another_list_of_methods_began_is_left_to_it(tmp_path: Path) -> None:
    begun = tmp_path / "work" / CELL.name / "last.pt"
    begun.parent.mkdir(parents=True)
    begun.touch()
    plain = outcome("plain", 0.5)
    Ledger(tmp_path).append(plain)
    assert run_cells([plain.cell], SMALL, tmp_path, Watcher()) == [plain]
    assert begun.exists()


def test_two_commands_are_not_at_work_in_one_folder(tmp_path: Path) -> None:
    with (
        Ledger(tmp_path).alone(),
        pytest.raises(RunFolderError, match="expected no other command at work there, found one"),
    ):
        run_cells([CELL], SMALL, tmp_path, Watcher())


def test_side_by_side_cells_come_to_the_same(tmp_path: Path, whole: Outcome) -> None:
    """Whether they are begun there, were cut off or are finished."""
    finished, begun = outcome("mcdrl", 0.5, world="mixed"), Cell("mixed", "plain")
    alone = run_cell(begun, SMALL, tmp_path / "one", Watcher())
    (tmp_path / "two").mkdir()
    Ledger(tmp_path / "two").append(finished)
    with pytest.raises(Killed):
        run_cell(begun, SMALL, tmp_path / "two" / "work" / begun.name, KilledAfter(1))
    told: list[Cell] = []
    two = SMALL.model_copy(update={"jobs": 2})
    cells = [CELL, finished.cell, begun]
    both = run_cells(cells, two, tmp_path / "two", Watcher(), lambda one: told.append(one.cell))
    expected = (whole, finished, alone)
    assert [*map(without_time, both)] == [*map(without_time, expected)]
    lines = Ledger(tmp_path / "two").outcomes()
    assert [one.cell for one in lines] == [finished.cell, *told]  # as they came
    assert not (tmp_path / "two" / "work").exists()


def test_side_by_side_an_error_is_the_same_sentence_and_loses_nothing(tmp_path: Path) -> None:
    wrong = Cell("renderable", "plain", size=99)
    sentences = []
    for jobs in (1, 2):
        some = TINY.model_copy(update={"jobs": jobs})
        Ledger(tmp_path).append(kept := outcome("mcdrl", 0.5, seed=jobs))
        with pytest.raises(DeconfoundError) as caught:
            run_cells([kept.cell, wrong, Cell("mixed", "plain")], some, tmp_path, Watcher())
        sentences.append((type(caught.value), str(caught.value)))
        assert kept in Ledger(tmp_path).outcomes()
    assert sentences[0] == sentences[1]


@pytest.mark.filterwarnings("ignore:merge='replace' is the literal equation")
@pytest.mark.parametrize("method", sorted(NAMED))  # test_sums.py trains every part
def test_every_method_trains(tmp_path: Path, method: str) -> None:
    short = SMALL.model_copy(update={"epochs": 1, "image_size": 64})
    found = run_cell(Cell("mixed", method), short, tmp_path / "work", Watcher())
    dice = (found.observational, found.interventional, found.reversed)
    assert all(0 <= each <= 1 for each in dice)
    assert sum(count for row in found.table.values() for _, count in row.values()) == 20
    json.dumps(found.to_json(), allow_nan=False)
