"""The state of a run in one file: safetensors for the tensors, JSON in its header for the rest.

One file, because one rename is atomic and two are not: tensors and epoch number cannot disagree.
Random states need no place in it: every epoch seeds them from (seed, epoch).

Parts that are not trained are kept too, so that a checkpoint never depends on what a download
gives later; with a frozen ViT-L tower each of a method's two files takes about 1.2 GB.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from deconfound.errors import RunFolderError
from deconfound.training.files import write_atomically
from deconfound.training.history import EpochRecord
from deconfound.training.same_settings import refuse_other_settings
from deconfound.training.settings import HARMLESS, TrainingSettings

FORMAT = 1


def save_state(
    path: Path,
    module: nn.Module,
    optimizer: Optimizer,
    settings: TrainingSettings,
    records: Sequence[EpochRecord] = (),
    processes: int = 1,
) -> None:
    """Write everything needed to go on.

    Args:
        path: the checkpoint; its folder is made where it is missing.
        module: model and criterion.
        optimizer: its moments are tensors; its settings follow from ``settings``.
        settings: with which the epochs were made.
        records: one per finished epoch; none by default.
        processes: that shared the epochs.
    """
    tensors = {f"module.{name}": value for name, value in module.state_dict().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in moments.items()}
    header = {
        "settings": settings.model_dump(),
        "processes": processes,
        "records": [record.to_json() for record in records],
    }
    _write(path, tensors, header)


def load_state(
    path: Path,
    module: nn.Module,
    optimizer: Optimizer,
    settings: TrainingSettings,
    processes: int = 1,
) -> tuple[EpochRecord, ...]:
    """Put a run back where it was.

    Args:
        path: what :func:`save_state` wrote.
        module: model and criterion, to be filled.
        optimizer: to be filled.
        settings: with which the run goes on.
        processes: that share the epochs to come; each step's images follow from their number.

    Returns:
        The record of every finished epoch.

    Raises:
        RunFolderError: the file cannot be read, belongs to another model, or was made with other
            settings or by another number of processes.
    """
    tensors, header = _read(path)
    if "settings" not in header:
        raise RunFolderError(
            f"{path}: expected a state to resume from, found weights alone; restore the file, or "
            f"delete {path.parent} to train this method from its first epoch"
        )
    number = "number of processes"
    then = {**header["settings"], number: header["processes"]}
    now = {**settings.model_dump(), number: processes}
    usual = TrainingSettings.usual()
    refuse_other_settings(path, "run that is resumed", then, now, HARMLESS, usual)
    _load_module(path, module, _under("module.", tensors))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _under("optimizer.", tensors).items():
        number, moment = name.split(".", 1)
        state.setdefault(int(number), {})[moment] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    try:
        return tuple(EpochRecord.from_json(record) for record in header["records"])
    except KeyError as error:
        raise _unreadable(path, error) from error


def save_weights(path: Path, model: nn.Module) -> None:
    """Write a model's weights."""
    _write(path, dict(model.state_dict()), {})


def load_weights(path: Path, model: nn.Module) -> None:
    """Read what :func:`save_weights` wrote.

    Raises:
        RunFolderError: the file cannot be read or belongs to another model.
    """
    _load_module(path, model, _read(path)[0])


def _write(path: Path, tensors: Mapping[str, Tensor], header: dict[str, Any]) -> None:
    # A copy of its own for every name: safetensors refuses storages that several names share.
    own = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    metadata = {"deconfound": json.dumps({"format": FORMAT, **header}, allow_nan=False)}
    write_atomically(path, lambda partial: save_file(own, partial, metadata))


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["deconfound"])
            if header["format"] != FORMAT:
                raise ValueError(f"its format is {header['format']}, not {FORMAT}")
            names = file.keys()  # a file of tensors is no mapping, and cannot be iterated itself
            return {name: file.get_tensor(name) for name in names}, header
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> RunFolderError:
    missing = isinstance(error, KeyError)
    return RunFolderError(
        f"{path}: expected a checkpoint, could not read it ({'no ' if missing else ''}{error}); "
        f"restore the file, or delete {path.parent} to train this method from its first epoch"
    )


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _load_module(path: Path, module: nn.Module, tensors: dict[str, Tensor]) -> None:
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    different = sorted(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
    if different:
        name = different[0]
        raise RunFolderError(
            f"{path}: expected {name} of shape {expected.get(name, 'absent')}, found "
            f"{found.get(name, 'absent')} ({len(different)} tensors differ); build the model with "
            f"the settings in the run's config.json"
        )
    with torch.no_grad():
        module.load_state_dict(tensors)
