"""The folder of a study: finished cells, each with the scores of its images."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from deconfound.errors import DataError, RunFolderError
from deconfound.packs import PromptPack
from deconfound.study.results import read_results, write_results
from deconfound.training.files import read_json, unwritable, write_json, write_text
from deconfound.training.locks import locked
from deconfound.training.same_settings import keep_settings

from ..same_pack import keep_pack
from .cells import Cell, CellRecord
from .notes import POLICY
from .settings import MAY_DIFFER, StudySettings

if TYPE_CHECKING:
    import pandas as pd

README = """\
This folder is one study of deconfound: leave-one-site-out, many methods, several seeds.

study.json               settings that all cells share
pack.json                the prompt pack that all were given
weights.json             digests of the backbones that are paths
sites.json               which images each site held, of sites on disk
cells/<cell>/cell.json   one finished model: what it was, its validation Dice, cost and time
cells/<cell>/images.parquet
                         Dice, IoU, accuracy, HD95 and NSD of every frame of the held-out site
cells/<cell>/model/      the trained model, of the first seed; of a search, the winner's alone
results.parquet, .csv    the frames of every method compared, in one tidy table: of a search, the
                         winner in validation, with every seed
tried.parquet, .csv      the frames of all other finished cells: what lost a search, ablations, and
                         what a figure alone asked for
tables/                  what the commands printed, as CSV and Markdown; main.md says where each
                         method was published, and what was adapted
figures/                 what the commands drew; they may show frames of your data
jobs/                    logs of submitit, where cells ran as jobs

The same command resumes where it stopped; finished cells are never trained again. A folder under
cells/ without a cell.json is a model in progress. A file called lock is held by the process that is
at work in its folder, and means nothing when there is none.

{policy}
"""


class Store:
    """Cells on disk.

    Args:
        folder: of the study.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def prepare(cls, settings: StudySettings) -> Store:
        """Make the study's folder, or make sure that the one there has the same settings and pack.

        A study without a model, begun or finished, takes the settings as they are now.

        Raises:
            RunFolderError: other settings or another pack, or lost ones, or a folder that cannot be
                used.
            PackError: a pack that cannot be read.
        """
        store = cls(settings.out)
        with store.writing():
            begun = store.has_models()
            file, usual = store.folder / "study.json", StudySettings.usual()
            keep_settings(file, "study", _shared(settings), begun, usual)
            keep_pack(store.folder, PromptPack.load(settings.pack), begun)
            write_text(store.folder / "README.txt", README.format(policy=fill(POLICY, 100)))
        return store

    def has_models(self) -> bool:
        """Say whether a model was begun or finished here."""
        return any(self.folder.glob("cells/*/"))

    def path(self, cell: Cell) -> Path:
        """Return the folder of one cell."""
        return self.folder / "cells" / cell.name

    def model_path(self, cell: Cell) -> Path:
        """Return where the cell's model is, if it was kept."""
        return self.path(cell) / "model"

    def is_finished(self, cell: Cell) -> bool:
        """Say whether a cell needs no more training."""
        return (self.path(cell) / "cell.json").exists()

    def writing(self) -> AbstractContextManager[None]:
        """Let one command at a time write what belongs to the study as a whole; others wait.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        return locked(self.folder / "lock")

    def alone(self, cell: Cell, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """Let one process at a time be at a cell; others wait until it is done, or was killed.

        A command that was stopped leaves its jobs running, and the same command again makes new
        ones of the same cells.

        Args:
            cell: what is to be trained.
            say: told once, where somebody else is at it.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        busy = f"{cell.name}: another process is at work on it; waiting"
        return locked(self.path(cell) / "lock", lambda: say(busy))

    def record(self, cell: Cell) -> CellRecord:
        """Read what is known of a finished cell.

        Raises:
            RunFolderError: its file is damaged.
        """
        return self._record(self.path(cell))

    def _record(self, folder: Path) -> CellRecord:
        path = folder / "cell.json"
        remedy = f"delete {path.parent}, and the cell is trained again"
        return read_json(path, "a finished cell", CellRecord.from_mapping, remedy)

    def finish(self, record: CellRecord, images: pd.DataFrame) -> None:
        """Keep a cell's images, then its record, by which it counts as finished."""
        path = self.path(record.cell)
        write_results(images, path / "images")
        (path / "images.csv").unlink(missing_ok=True)  # one CSV of everything is enough
        write_json(path / "cell.json", asdict(record))
        shutil.rmtree(path / "work", ignore_errors=True)

    def forget_models(self, cells: Iterable[Cell]) -> None:
        """Delete the models of finished cells, as far as they were kept; scores stay.

        Raises:
            RunFolderError: a model cannot be deleted.
        """
        for path in map(self.model_path, cells):
            try:
                shutil.rmtree(path)
            except FileNotFoundError:  # there is none, or another command is deleting it as well
                shutil.rmtree(path, ignore_errors=True)
            except OSError as error:
                raise unwritable(path, error) from error

    def images(self, cells: Iterable[Cell]) -> pd.DataFrame:
        """Return the frames of finished cells as one tidy table.

        Raises:
            RunFolderError: the frames of a finished cell cannot be read.
        """
        return _joined([self.path(cell) for cell in cells])

    def finished(self) -> list[Cell]:
        """Return the finished cells, in the order of their folders.

        Raises:
            RunFolderError: there is none, or the record of one is damaged.
        """
        folders = sorted(path.parent for path in self.folder.glob("cells/*/cell.json"))
        if not folders:
            raise RunFolderError(f"{self.folder}: expected finished cells, found none")
        return [self._record(folder).cell for folder in folders]

    def write_frames(self, name: str, cells: Sequence[Cell]) -> None:
        """Write the frames of finished cells as one tidy table, .parquet and .csv.

        What a kill left of their training is deleted. Where there are no cells, there is no table.

        Raises:
            RunFolderError: the frames of one cannot be read, or the folder cannot be written.
        """
        for cell in cells:
            shutil.rmtree(self.path(cell) / "work", ignore_errors=True)
        if cells:
            write_results(self.images(cells), self.folder / name)
        else:
            for ending in (".parquet", ".csv"):
                (self.folder / (name + ending)).unlink(missing_ok=True)


def _shared(settings: StudySettings) -> dict[str, Any]:
    """Return the settings that all cells of a study share, as JSON holds them."""
    return json.loads(settings.model_dump_json(exclude=set(MAY_DIFFER)))


def _joined(folders: Iterable[Path]) -> pd.DataFrame:
    """Return the frames of finished cells, one cell after another."""
    import pandas as pd

    return pd.concat([_frames(folder) for folder in folders], ignore_index=True)


def _frames(folder: Path) -> pd.DataFrame:
    try:
        return read_results(folder / "images.parquet")
    except DataError as error:
        raise RunFolderError(
            f"{folder}: expected the frames of a finished cell, could not read them ({error}); "
            f"delete the folder, and the cell is trained again"
        ) from error
