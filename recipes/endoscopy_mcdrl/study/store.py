"""The folder of a study: finished cells, each with the scores of its images."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from deconfound.study.results import read_results, write_results

from deconfound.errors import RunFolderError
from deconfound.training.files import unwritable, write_json, write_text

from .cells import Cell, CellRecord
from .settings import MAY_DIFFER, StudySettings

if TYPE_CHECKING:
    import pandas as pd

README = """\
This folder is one study of deconfound: leave-one-site-out, many methods, several seeds.

study.json               settings that all cells share
cells/<cell>/cell.json   one finished model: what it was, its validation Dice, cost and time
cells/<cell>/images.parquet
                         Dice, IoU, accuracy, HD95 and NSD of every frame of the held-out site
cells/<cell>/model/      the trained model, of the first seed
results.parquet, .csv    all frames of all finished cells in one tidy table
tables/                  what the commands printed, as CSV and Markdown
figures/                 what the commands drew; they may show frames of your data
jobs/                    logs of submitit, where cells ran as jobs

The same command goes on where this one stopped; finished cells are never trained again. A folder
under cells/ without a cell.json is a model in work.
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
        """Make the study's folder, or make sure that the one there has the same settings.

        Raises:
            RunFolderError: other settings, or a folder that cannot be used.
        """
        store = cls(settings.out)
        mine = json.loads(settings.model_dump_json(exclude=set(MAY_DIFFER)))
        path = settings.out / "study.json"
        try:
            settings.out.mkdir(parents=True, exist_ok=True)
            found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else mine
        except OSError as error:
            raise unwritable(settings.out, error) from error
        except ValueError as error:
            raise RunFolderError(
                f"{path}: expected the settings of a study as JSON, could not read them ({error}); "
                f"restore the file, or choose another --out"
            ) from error
        differ = sorted(k for k in {*mine, *found} if found.get(k) != mine.get(k))
        if differ:
            told = ", ".join(f"{k} ({found.get(k)} then, {mine.get(k)} now)" for k in differ)
            raise RunFolderError(
                f"{settings.out}: expected the settings of the study that is there, found other "
                f"values of {told}; give the same ones, or another --out"
            )
        write_json(path, mine)
        write_text(settings.out / "README.txt", README)
        return store

    def path(self, cell: Cell) -> Path:
        """Return the folder of one cell."""
        return self.folder / "cells" / cell.name

    def model_path(self, cell: Cell) -> Path:
        """Return where the cell's model is, if it was kept."""
        return self.path(cell) / "model"

    def is_finished(self, cell: Cell) -> bool:
        """Say whether a cell needs no more training."""
        return (self.path(cell) / "cell.json").exists()

    def record(self, cell: Cell) -> CellRecord:
        """Read what is known of a finished cell.

        Raises:
            RunFolderError: its file is damaged.
        """
        path = self.path(cell) / "cell.json"
        try:
            return CellRecord.from_mapping(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunFolderError(
                f"{path}: expected a finished cell as JSON, could not read it ({error}); delete "
                f"{path.parent}, and the cell is trained again"
            ) from error

    def finish(self, record: CellRecord, images: pd.DataFrame) -> None:
        """Keep a cell's images, then its record, by which it counts as finished."""
        path = self.path(record.cell)
        write_results(images, path / "images")
        (path / "images.csv").unlink(missing_ok=True)  # one CSV of everything is enough
        write_json(path / "cell.json", asdict(record))
        shutil.rmtree(path / "work", ignore_errors=True)

    def images(self, cells: Iterable[Cell]) -> pd.DataFrame:
        """Return the frames of finished cells as one tidy table."""
        import pandas as pd

        return pd.concat(
            [read_results(self.path(cell) / "images.parquet") for cell in cells], ignore_index=True
        )

    def collect(self) -> pd.DataFrame:
        """Write ``results.parquet`` and ``results.csv`` of every finished cell; return them.

        Raises:
            RunFolderError: there is none.
        """
        finished = sorted(path.parent for path in self.folder.glob("cells/*/cell.json"))
        if not finished:
            raise RunFolderError(f"{self.folder}: expected finished cells, found none")
        import pandas as pd

        frame = pd.concat(
            [read_results(path / "images.parquet") for path in finished], ignore_index=True
        )
        write_results(frame, self.folder / "results")
        return frame
