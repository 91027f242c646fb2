"""`train`: from rendered pictures and written captions to the weights of "mini"."""

from __future__ import annotations

import json
import time
from pathlib import Path

from safetensors import safe_open

from deconfound.errors import RunFolderError
from deconfound.training.placing import refuse_unwritable

from .optimizer import require_muon
from .processes import launch
from .renders import Mixture, draw_renders, keep, kept
from .settings import Settings
from .show import console, progress
from .trainer import CHECKPOINT, Trainer

LOG_EVERY = 50
SAVE_EVERY = 120.0
"""Steps between lines of the log, seconds between checkpoints."""


def train(settings: Settings, run: Path, out: Path, threads: int = 1) -> Path:
    """Render, train and export; a run that was stopped goes on where it was.

    Args:
        settings: what decides the weights.
        run: folder of the checkpoint, the log and the rendered pictures.
        out: folder of the exported model.
        threads: of each process, if there are several.

    Returns:
        ``out``.

    Raises:
        ConfigurationError: a version of torch without the optimiser.
        RunFolderError: ``run`` or ``out`` cannot be written, ``run`` holds a run with other
            settings, or a process was ended.
    """
    require_muon()
    refuse_unwritable(out)
    _prepare(run, settings)
    _render(settings, run)
    launch(_work, settings.processes, threads, run, settings, run, out)
    return out


def _prepare(run: Path, settings: Settings) -> None:
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"{run} cannot be made ({error.strerror}); choose another folder with --run"
        ) from error
    if not (run / CHECKPOINT).is_file():
        return
    with safe_open(run / CHECKPOINT, "pt") as file:
        before = json.loads(file.metadata()["settings"])
    changed = [key for key, value in settings.model_dump().items() if before.get(key) != value]
    if changed:
        raise RunFolderError(
            f"{run} holds a run with other settings ({', '.join(changed)} differ); repeat them to "
            f"resume it, or choose another folder with --run"
        )


def _work(rank: int, settings: Settings, run: Path, out: Path) -> None:
    trainer = Trainer(settings, kept(_pictures(settings, run)), rank)
    if (run / CHECKPOINT).is_file():
        trainer.restore(run)
    _loop(trainer, run)
    if rank == 0:
        trainer.export(out)


def _pictures(settings: Settings, run: Path) -> Path:
    return run / f"pictures-{settings.seed}-{settings.pictures}.safetensors"


def _render(settings: Settings, run: Path) -> None:
    path = _pictures(settings, run)
    if not path.is_file():
        with progress("rendering", settings.pictures) as tick:
            keep(draw_renders(settings.seed, settings.pictures, Mixture(), tick=tick), path)


def _loop(trainer: Trainer, run: Path) -> None:
    saved, losses, first = time.monotonic(), [], trainer.rank == 0
    with progress("training", trainer.settings.steps, trainer.step, quiet=not first) as tick:
        while trainer.done < 1:
            losses.append(trainer.train_step())
            tick(1, round(trainer.step / trainer.done))
            if first and (trainer.step % LOG_EVERY == 0 or trainer.done == 1):
                _log(run, trainer, losses)
                losses.clear()
            if first and time.monotonic() - saved > SAVE_EVERY:
                trainer.save(run)
                saved = time.monotonic()
    if first:
        trainer.save(run)


def _log(run: Path, trainer: Trainer, losses: list[dict[str, float]]) -> None:
    mean = {
        key: sum(loss[key] for loss in losses) / len(losses)
        for key in losses[-1]
        if all(key in loss for loss in losses)
    }
    line = {"step": trainer.step, "done": round(trainer.done, 4), **mean}
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    shown = ", ".join(f"{key} {value:.3f}" for key, value in mean.items())
    console.print(f"step {trainer.step} ({trainer.done:.0%}): {shown}")
