"""What a figure takes of a finished cell: its name, its model, its images."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from deconfound import CausalSegmenter
from deconfound.errors import RunFolderError
from deconfound.training.counting import counting

from ...cohort import Cohort, assemble
from ...methods import configured, title_of
from ..cells import Cell
from ..settings import StudySettings
from ..store import Store


def titles_of(cells: Sequence[Cell], settings: StudySettings) -> list[str]:
    """Return what tables call the methods."""
    return [title_of(cell.method, settings) for cell in cells]


def model_of(cell: Cell, store: Store) -> CausalSegmenter:
    """Load a cell's model.

    Raises:
        RunFolderError: it was not kept.
    """
    path = store.model_path(cell)
    if not path.exists():
        raise RunFolderError(
            f"{path}: expected the trained model, found none; it was trained with "
            f"--no-keep-models, or lost a search of more --trials: delete {store.path(cell)} and "
            f"give the command again"
        )
    return CausalSegmenter.from_pretrained(path)


def cohort_of(cell: Cell, settings: StudySettings) -> Cohort:
    """Render or read the images of a cell, behind a bar."""
    config = configured(cell.method, settings.recipe(cell), dict(cell.setting))
    prompts = settings.prompts(cell)
    return counting(
        Console(stderr=True), "images", lambda progress: assemble(config, prompts, progress)
    )
