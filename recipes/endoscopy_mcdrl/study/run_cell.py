"""One cell: read, train, score, keep."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from deconfound import CausalSegmenter
from deconfound.data import FolderDataset
from deconfound.packs import PromptPack
from deconfound.study.images import score_images
from deconfound.training import History, RunFolder, fit, launch
from deconfound.training.progress import Silent, Watcher
from deconfound.training.settings import HARMLESS

from ..cohort import Cohort, assemble, patients
from ..config import RecipeConfig
from ..methods import (
    build_criterion,
    build_method_adjustment,
    build_model,
    configured,
    title_of,
)
from .cells import Cell, CellRecord
from .settings import StudySettings
from .store import Store

if TYPE_CHECKING:
    import pandas as pd

TIMED = 10
"""Images that the latency is the median of."""


def run_cell(cell: Cell, settings: StudySettings, watcher: Watcher | None = None) -> CellRecord:
    """Train one model and score it on the site that it never saw; a finished cell is left alone.

    A cell that was killed goes on after its last finished epoch.

    Returns:
        Its record; its images are in the store.
    """
    store = Store(settings.out)
    if store.is_finished(cell):
        return store.record(cell)
    started = time.monotonic()
    setting = dict(cell.setting)
    config = configured(cell.method, settings.recipe(cell), setting)
    pack = settings.prompts(cell)
    cohort = assemble(config, pack, lambda done, total: None)
    trained = _train(cell, config, pack, cohort, store, watcher or Silent())
    if settings.keep_models and cell.seed == settings.seed:
        trained.model.save_pretrained(store.model_path(cell))
    images = score_images(
        trained.model,
        cohort.target,
        trained.fabric,
        batch_size=config.batch_size,
        workers=config.workers,
    )
    record = CellRecord(
        cell=cell,
        validation_dice=max(r.val_dice for r in trained.history.records if r.best),
        parameters=sum(p.numel() for p in trained.model.intervention.parameters()),
        latency=_latency(trained.model, config.image_size),
        seconds=time.monotonic() - started,
        device=_device_name(trained.model),
        oracle=config.oracle,
    )
    store.finish(record, _tidy(images, cell, config, pack, cohort))
    return record


@dataclass(frozen=True)
class _Trained:
    model: CausalSegmenter
    history: History
    fabric: Any


def _train(
    cell: Cell,
    config: RecipeConfig,
    pack: PromptPack,
    cohort: Cohort,
    store: Store,
    watcher: Watcher,
) -> _Trained:
    setting = dict(cell.setting)
    model = build_model(cell.method, config, pack, setting)
    work = store.path(cell) / "work"
    resume = (work / "config.json").exists()
    run = RunFolder.create(work, config.model_dump(mode="json"), resume, HARMLESS)
    fabric = launch(config)
    history = fit(
        model,
        build_criterion(cell.method, config, model, cohort, setting),
        cohort.train,
        cohort.validation,
        config.loop,
        run,
        watcher,
        method=cell.method,
        fabric=fabric,
        adjustment=build_method_adjustment(cell.method, config, model, cohort.train),
    )
    return _Trained(model, history, fabric)


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
        group=patients(cohort.target) or names,
        lesion=lesions,
    )


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
    was_training = model.training
    model.eval()
    times = []
    for _ in range(1 + TIMED):
        started = time.perf_counter()
        float(model(image).sum())  # waits for the device
        times.append(1000 * (time.perf_counter() - started))
    model.train(was_training)
    return median(times[1:])


def _device_name(model: CausalSegmenter) -> str:
    device = next(model.parameters()).device
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads"
