"""One cell: read, train, score, keep."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch
from rich.console import Console

from deconfound import CausalSegmenter
from deconfound.data import FolderDataset
from deconfound.errors import RunFolderError
from deconfound.evaluating import evaluating
from deconfound.packs import PromptPack
from deconfound.study.images import score_images
from deconfound.training import RunFolder, launch
from deconfound.training.progress import Watcher

from ..cohort import Cohort, assemble
from ..config import RecipeConfig
from ..console import note
from ..methods import build_model, build_training, configured, title_of
from ..train import MAY_DIFFER
from .cells import Cell, CellRecord
from .settings import StudySettings
from .store import Store

if TYPE_CHECKING:
    import pandas as pd

TIMED = 10
"""Images that the latency is the median of."""


def run_cell(cell: Cell, settings: StudySettings, watcher: Watcher | None = None) -> CellRecord:
    """Train one model and score it on the site that it never saw; a finished cell is left alone.

    A cell that was killed goes on after its last finished epoch. Where another process is at it,
    this one waits, and finds it finished or goes on with it.

    Returns:
        Its record; its images are in the store.

    Raises:
        DeconfoundError: what was left of a killed cell cannot be resumed, or as of training.
    """
    store, console = Store(settings.out), Console(stderr=True)
    with store.alone(cell, lambda text: note(console, text)):
        if store.is_finished(cell):
            return store.record(cell)
        return _run(cell, settings, store, watcher or Watcher())


def _run(cell: Cell, settings: StudySettings, store: Store, watcher: Watcher) -> CellRecord:
    setting = dict(cell.setting)
    config = configured(cell.method, settings.recipe(cell), setting)
    pack = settings.prompts(cell)
    cohort = assemble(config, pack, lambda done, total: None)
    model = build_model(cell.method, config, pack, setting)
    run, fabric = _work(store.path(cell) / "work", config), launch(config)
    training = build_training(cell.method, config, model, cohort, run, fabric, setting)
    history = training.train(training.prepare(), watcher)
    scoring = time.monotonic()
    if settings.keep_models and cell.seed == settings.seed:
        model.save_pretrained(store.model_path(cell))
    images = score_images(
        model,
        cohort.target,
        fabric,
        batch_size=config.batch_size,
        workers=config.workers,
    )
    record = CellRecord(
        cell=cell,
        validation_dice=history.best.val_dice,
        parameters=sum(p.numel() for p in model.intervention.parameters()),
        latency=_latency(model, config.image_size),
        seconds=float(history.curve("seconds").sum()) + time.monotonic() - scoring,
        device=_device_name(model),
        oracle=config.oracle,
    )
    store.finish(record, _tidy(images, cell, config, pack, cohort))
    return record


def _work(folder: Path, config: RecipeConfig) -> RunFolder:
    """Make the folder of a model in progress, or resume in the one that a killed process left.

    Raises:
        RunFolderError: what is there was begun with other settings, or is no run.
    """
    begun = folder.exists()
    if begun and not (folder / "config.json").exists():
        raise RunFolderError(
            f"{folder}: expected a model in progress with its config.json, found none; delete the "
            f"folder, and the cell is trained from its first epoch"
        )
    asked = config.model_dump(mode="json")
    return RunFolder.create(folder, asked, begun, MAY_DIFFER, RecipeConfig.usual())


def _tidy(
    images: pd.DataFrame, cell: Cell, config: RecipeConfig, pack: PromptPack, cohort: Cohort
) -> pd.DataFrame:
    """Return the scores of images as rows of the study's table."""
    names = _names(cohort)
    lesions = [pack.class_names[k] if k >= 0 else "" for k in images["class_index"]]
    setting = dict(cell.setting)
    varied = {"depth": cell.depth, "prompts": cell.prompts}
    setting |= {name: value for name, value in varied.items() if value is not None}
    return images.drop(columns=["index", "class_index", "site_index"]).assign(
        method=cell.method,
        title=title_of(cell.method, config),
        backbone=cell.backbone,
        holdout=cell.holdout,
        seed=cell.seed,
        setting=json.dumps(setting, sort_keys=True),
        image=names,
        group=_groups(cohort),
        lesion=lesions,
    )


def _groups(cohort: Cohort) -> list[str]:
    """Return the patient of each frame of the target; empty where nobody knows."""
    if isinstance(cohort.target, FolderDataset):
        return [sample.group or "" for sample in cohort.target.samples]
    return list(cohort.target.groups or [""] * len(cohort.target))


def _names(cohort: Cohort) -> list[str]:
    """Return a name for each frame of the target: its path within the site."""
    if isinstance(cohort.target, FolderDataset):
        files = [sample.image for sample in cohort.target.samples]
        root = Path(os.path.commonpath([file.parent for file in files]))
        return [file.relative_to(root).as_posix() for file in files]
    return [f"{row:05d}" for row in range(len(cohort.target))]


@torch.no_grad()
def _latency(model: CausalSegmenter, size: int) -> float:
    """Return the time of one image, in milliseconds: median of `TIMED`, after one to warm up."""
    device = next(model.parameters()).device
    image = torch.zeros(1, 3, size, size, device=device)
    times = []
    with evaluating(model):
        for _ in range(1 + TIMED):
            started = time.perf_counter()
            float(model(image).sum())  # waits for the device
            times.append(1000 * (time.perf_counter() - started))
    return median(times[1:])


def _device_name(model: CausalSegmenter) -> str:
    device = next(model.parameters()).device
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads"
