"""The folder a run leaves: what was asked, what happened, what came out."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deconfound.errors import RunFolderError
from deconfound.training.files import write_json, write_text
from deconfound.training.processes import is_main_process

README = """\
This folder is one run of deconfound.

config.json                        every setting of the run, defaults included
metrics.jsonl                      one line of JSON per epoch and method: losses, validation scores
results.json                       Dice, IoU and accuracy on the held-out site, once trained
report.html                        curves, tables and pictures in one self-contained page
models/<method>/                   the trained model: weights (safetensors), prompts, configuration
checkpoints/<method>/last.safetensors
                                   everything needed to go on after the last finished epoch
checkpoints/<method>/best.safetensors
                                   weights of the best epoch on held-out training-site patients

A killed run goes on where it stopped when the same command is given again with --resume.
Names that begin with a dot and end in .partial are unfinished writes; they can be deleted.
"""

#: How long a process that is not the first waits for the first to create the folder, in seconds.
PATIENCE = 60.0


class RunFolder:
    """A run's files, by name. Use :meth:`create` to train and :meth:`open` to look.

    Attributes:
        path: the folder.
        config: the content of ``config.json``.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self.config = config

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        config: Mapping[str, Any],
        resume: bool = False,
        may_differ: Iterable[str] = (),
    ) -> RunFolder:
        """Make the folder, or go on in it.

        In a distributed run only the first process writes; the others wait for it and open.

        Args:
            path: where; it must not exist, or be empty, unless ``resume``.
            config: JSON-like settings, kept as ``config.json``.
            resume: go on in the folder if it is there; its settings must be the same.
            may_differ: top-level settings that may change on resuming ("workers").

        Raises:
            RunFolderError: the folder is in use, cannot be written, or holds another run.
        """
        path = Path(path).expanduser().resolve()
        config = json.loads(json.dumps(dict(config)))
        if not is_main_process():
            return cls._await(path)
        if resume and path.exists() and not _is_empty(path):
            run = cls.open(path)
            _require_same(run, config, set(may_differ))
            return run
        _refuse_occupied(path)
        _build(path, config)
        return cls(path, dict(config))

    @classmethod
    def require_free(cls, path: str | os.PathLike[str], resume: bool = False) -> None:
        """Refuse, before any work is done, a folder that `create` would refuse for being in use.

        Raises:
            RunFolderError: something is there, and it is not to be resumed.
        """
        path = Path(path).expanduser().resolve()
        if not resume:
            _refuse_occupied(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Open a run that exists.

        Raises:
            RunFolderError: there is none, or its ``config.json`` cannot be read.
        """
        path = Path(path).expanduser().resolve()
        file = path / "config.json"
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunFolderError(
                f"{path}: expected a run folder with config.json, found "
                f"{'none' if path.is_dir() else 'no such folder'}; give the folder that "
                f"`train --out` made"
            ) from None
        except (OSError, ValueError) as error:
            raise RunFolderError(
                f"{file}: expected the settings of a run as JSON, could not read it ({error}); "
                f"restore the file or train again"
            ) from error
        return cls(path, config)

    @classmethod
    def _await(cls, path: Path) -> RunFolder:
        deadline = time.monotonic() + PATIENCE
        while not (path / "config.json").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        return cls.open(path)

    @property
    def metrics_path(self) -> Path:
        """``metrics.jsonl``."""
        return self.path / "metrics.jsonl"

    @property
    def report_path(self) -> Path:
        """``report.html``."""
        return self.path / "report.html"

    @property
    def results_path(self) -> Path:
        """``results.json``."""
        return self.path / "results.json"

    def model_path(self, method: str) -> Path:
        """Return the folder for ``save_pretrained`` of one method."""
        return self.path / "models" / method

    def last_checkpoint(self, method: str) -> Path:
        """Return where the state after the last finished epoch is kept."""
        return self.path / "checkpoints" / method / "last.safetensors"

    def best_checkpoint(self, method: str) -> Path:
        """Return where the best epoch's weights are kept."""
        return self.path / "checkpoints" / method / "best.safetensors"

    def metrics(self) -> list[dict[str, Any]]:
        """Read every whole line of ``metrics.jsonl``; a line cut short by a kill is left out."""
        if not self.metrics_path.exists():
            return []
        lines = self.metrics_path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Append one line to ``metrics.jsonl`` and flush it."""
        with self.metrics_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(line), allow_nan=False) + "\n")

    def restore_metrics(self, method: str, lines: Sequence[Mapping[str, Any]]) -> None:
        """Make one method's lines exactly ``lines``, as a checkpoint remembers them."""
        others = [line for line in self.metrics() if line["method"] != method]
        text = "".join(json.dumps(dict(line), allow_nan=False) + "\n" for line in [*others, *lines])
        write_text(self.metrics_path, text)

    def write_results(self, results: Any) -> None:
        """Write ``results.json``."""
        write_json(self.results_path, results)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _refuse_occupied(path: Path) -> None:
    if path.exists() and not _is_empty(path):
        what = "a folder that is not empty" if path.is_dir() else "a file"
        raise RunFolderError(
            f"{path}: expected a new folder for the run, found {what}; choose another --out, "
            f"or --resume to go on with the run in it"
        )
    for parent in path.parents:
        if parent.is_file():
            raise RunFolderError(
                f"{parent}: expected a folder to put the run in, found a file; choose another --out"
            )


def _require_same(run: RunFolder, config: Mapping[str, Any], may_differ: set[str]) -> None:
    keys = (set(run.config) | set(config)) - may_differ
    different = sorted(key for key in keys if run.config.get(key) != config.get(key))
    if different:
        told = ", ".join(
            f"{key} ({_short(run.config.get(key))} then, {_short(config.get(key))} now)"
            for key in different
        )
        raise RunFolderError(
            f"{run.path}: expected the settings of the run that is resumed, found other values of "
            f"{told}; give the same settings, or choose another --out"
        )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _build(path: Path, config: Mapping[str, Any]) -> None:
    """Make the folder in one step: a neighbour that is renamed, so that it is whole or not there.

    An empty folder that exists may be a mount point, which nothing can be renamed onto; it is
    filled instead, ``config.json``, by which a run is known, last.
    """
    try:
        if path.exists():
            _fill(path, config)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(
            tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        )
        try:
            _fill(partial, config)
            partial.chmod(path.parent.stat().st_mode & 0o777)
            partial.rename(path)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)  # ours alone: mkdtemp made it just now
            raise
    except OSError as error:
        raise RunFolderError(
            f"{path}: the run folder cannot be created ({error.strerror or error}); choose a "
            f"folder that you may write to with --out"
        ) from error


def _fill(path: Path, config: Mapping[str, Any]) -> None:
    (path / "README.txt").write_text(README, encoding="utf-8")
    (path / "checkpoints").mkdir()
    (path / "metrics.jsonl").touch()
    text = json.dumps(dict(config), indent=2, ensure_ascii=False) + "\n"
    (path / "config.json").write_text(text, encoding="utf-8")
