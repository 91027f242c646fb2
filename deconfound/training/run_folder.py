"""The folder a run leaves: what was asked, what happened, what came out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deconfound.errors import RunFolderError, unknown_name
from deconfound.training.files import as_object, read_json, unwritable, write_json, write_text
from deconfound.training.json_lines import read_lines
from deconfound.training.placing import build, refuse_nothing, refuse_occupied, refuse_unwritable
from deconfound.training.processes import is_main_process
from deconfound.training.same_settings import refuse_other_settings

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
        usual: Mapping[str, Any] | None = None,
    ) -> RunFolder:
        """Make the folder, or go on in it.

        In a distributed run only the first process writes; the others wait for it and open.

        Args:
            path: where; it must not exist, or be empty, unless ``resume``.
            config: JSON-like settings, kept as ``config.json``.
            resume: go on with the run that is there; its settings must be the same.
            may_differ: top-level settings that may change on resuming ("workers").
            usual: value of each setting, for a run that was begun before there was the setting.

        Raises:
            RunFolderError: the folder is in use, cannot be written, or holds another run.
        """
        path = Path(path).expanduser().resolve()
        config = json.loads(json.dumps(dict(config)))
        if not is_main_process():
            return cls._await(path)
        if resume:
            refuse_nothing(path)
            run = cls.open(path)
            _require_same(run, config, may_differ, usual)
            return run
        refuse_occupied(path)
        build(path, config)
        return cls(path, dict(config))

    @classmethod
    def require_free(
        cls,
        path: str | os.PathLike[str],
        resume: bool = False,
        config: Mapping[str, Any] | None = None,
        may_differ: Iterable[str] = (),
        usual: Mapping[str, Any] | None = None,
    ) -> None:
        """Refuse, before any work is done, what :meth:`create` would refuse; writes nothing.

        Args:
            path: as for :meth:`create`.
            resume: as for :meth:`create`.
            config: settings to compare with those of the resumed run; None compares nothing.
            may_differ: as for :meth:`create`.
            usual: as for :meth:`create`.

        Raises:
            RunFolderError: the place is in use or cannot be written; or, with ``resume``, there is
                no run, or one with other settings.
        """
        path = Path(path).expanduser().resolve()
        if not resume:
            refuse_occupied(path)
        else:
            refuse_nothing(path)
            run = cls.open(path)
            if config is not None:
                _require_same(run, json.loads(json.dumps(dict(config))), may_differ, usual)
        refuse_unwritable(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Open a run that exists.

        Raises:
            RunFolderError: there is none, or its ``config.json`` cannot be read.
        """
        path = Path(path).expanduser().resolve()
        file = path / "config.json"
        if not os.path.exists(file):
            raise RunFolderError(
                f"{path}: expected a run folder with config.json, found "
                f"{'none' if os.path.isdir(path) else 'no such folder'}; give the folder that "
                f"`train --out` made"
            )
        remedy = "restore the file or train again"
        return cls(path, read_json(file, "the settings of a run", as_object, remedy))

    @classmethod
    def _await(cls, path: Path) -> RunFolder:
        deadline = time.monotonic() + PATIENCE
        while not os.path.exists(path / "config.json") and time.monotonic() < deadline:
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

    @property
    def begun(self) -> bool:
        """Whether something was trained, an epoch at least, or read in the images before it."""
        kept = ("checkpoints", "models", "adjusting")
        return any(any((self.path / folder).glob("*")) for folder in kept)

    def trained_methods(self) -> list[str]:
        """Return the methods whose model is finished, in the order of training.

        Raises:
            RunFolderError: there is none.
        """
        saved = [file.parent.name for file in sorted(self.path.glob("models/*/config.json"))]
        if not saved:
            raise RunFolderError(
                f"{self.path}: expected a trained model under models/, found none; finish the run "
                f"with train --out {self.path} --resume"
            )
        return [method for method in (self.config.get("methods") or ()) if method in saved] or saved

    def trained_method(self, wanted: str | None = None) -> str:
        """Return the trained method that is meant, by default the last one.

        Raises:
            RunFolderError: no model is finished.
            UnknownNameError: that of the method that is wanted is not.
        """
        methods = self.trained_methods()
        method = wanted or methods[-1]
        if method not in methods:
            raise unknown_name(f"method of {self.path}", method, methods)
        return method

    def held_out(self) -> str | None:
        """Return the site that training never saw, as far as the run got to say so.

        Raises:
            RunFolderError: ``results.json`` cannot be read.
        """
        if not self.results_path.exists():
            return self.config.get("holdout")
        remedy = f"remove the file, or finish the run with train --out {self.path} --resume"
        return read_json(
            self.results_path, "the results of a run", lambda told: str(told["held_out"]), remedy
        )

    def last_checkpoint(self, method: str) -> Path:
        """Return where the state after the last finished epoch is kept."""
        return self.path / "checkpoints" / method / "last.safetensors"

    def best_checkpoint(self, method: str) -> Path:
        """Return where the best epoch's weights are kept."""
        return self.path / "checkpoints" / method / "best.safetensors"

    def what_was_read(self, method: str) -> Path:
        """Return where that is kept which the training images said before the first step."""
        return self.path / "adjusting" / f"{method}.json"

    def metrics(self) -> list[dict[str, Any]]:
        """Read every whole line of ``metrics.jsonl``; a line cut short by a kill is left out.

        Raises:
            RunFolderError: the file cannot be read, or a whole line is damaged.
        """
        return read_lines(self.metrics_path, "one epoch of a method", _epoch)

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Append one line to ``metrics.jsonl`` and flush it.

        Raises:
            RunFolderError: the file cannot be written.
        """
        text = json.dumps(dict(line), allow_nan=False) + "\n"
        try:
            with self.metrics_path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise unwritable(self.metrics_path, error) from error

    def restore_metrics(self, method: str, lines: Sequence[Mapping[str, Any]]) -> None:
        """Make one method's lines exactly ``lines``, as a checkpoint remembers them."""
        others = [line for line in self.metrics() if line["method"] != method]
        text = "".join(json.dumps(dict(line), allow_nan=False) + "\n" for line in [*others, *lines])
        write_text(self.metrics_path, text)

    def write_results(self, results: Any) -> None:
        """Write ``results.json``."""
        write_json(self.results_path, results)


def _require_same(
    run: RunFolder,
    config: Mapping[str, Any],
    may_differ: Iterable[str],
    usual: Mapping[str, Any] | None,
) -> None:
    refuse_other_settings(run.path, "run that is resumed", run.config, config, may_differ, usual)


def _epoch(line: Any) -> dict[str, Any]:
    """Return a line of ``metrics.jsonl`` that says of which method it is."""
    return {"method": line["method"], **line}
