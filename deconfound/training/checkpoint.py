"""The state of a run in one file: safetensors for the tensors, JSON in its header for the rest.

One file, because one rename is atomic and two are not: tensors and epoch number cannot disagree.
Random states need no place in it: every epoch seeds them from (seed, epoch).

Parts that are not trained are kept too, so that a checkpoint never depends on what a download
gives later; with a frozen ViT-L tower each of a method's two files takes about 1.2 GB.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a run is.

    Attributes:
        records: one per finished epoch.
        settings: with which they were made.
    """

    records: tuple[EpochRecord, ...]
    settings: TrainingSettings

    def to_json(self) -> dict[str, Any]:
        """Return the header's content."""
        records = [record.to_json() for record in self.records]
        return {"format": FORMAT, "settings": self.settings.model_dump(), "records": records}


def save_state(path: Path, module: nn.Module, optimizer: Optimizer, progressed: Progressed) -> None:
    """Write everything needed to go on.

    Args:
        path: the checkpoint; its folder is made where it is missing.
        module: model and criterion.
        optimizer: its moments are tensors; its settings follow from ``progressed.settings``.
        progressed: how far the run is.
    """
    tensors = {f"module.{name}": value for name, value in module.state_dict().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in moments.items()}
    _write(path, tensors, progressed.to_json())


def load_state(
    path: Path, module: nn.Module, optimizer: Optimizer, settings: TrainingSettings
) -> Progressed:
    """Put a run back where it was.

    Raises:
        RunFolderError: the file cannot be read, belongs to another model, or was made with other
            settings.
    """
    tensors, header = _read(path)
    if "settings" not in header:
        raise RunFolderError(
            f"{path}: expected a state to go on from, found weights alone; restore the file, or "
            f"delete {path.parent} to train this method from its first epoch"
        )
    then, now = header["settings"], settings.model_dump()
    refuse_other_settings(path, "run that is resumed", then, now, HARMLESS)
    _load_module(path, module, _under("module.", tensors))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _under("optimizer.", tensors).items():
        number, moment = name.split(".", 1)
        state.setdefault(int(number), {})[moment] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    records = tuple(EpochRecord.from_json(record) for record in header["records"])
    return Progressed(records, settings)


def save_weights(path: Path, model: nn.Module, record: EpochRecord) -> None:
    """Write a model's weights, with the epoch they come from in the header."""
    _write(path, dict(model.state_dict()), {"format": FORMAT, "record": record.to_json()})


def load_weights(path: Path, model: nn.Module) -> None:
    """Read what :func:`save_weights` wrote.

    Raises:
        RunFolderError: the file cannot be read or belongs to another model.
    """
    _load_module(path, model, _read(path)[0])


def _write(path: Path, tensors: Mapping[str, Tensor], header: dict[str, Any]) -> None:
    # A copy of its own for every name: safetensors refuses storages that several names share.
    own = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    metadata = {"deconfound": json.dumps(header, allow_nan=False)}
    write_atomically(path, lambda partial: save_file(own, partial, metadata))


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["deconfound"])
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunFolderError(
            f"{path}: expected a checkpoint, could not read it ({error}); restore the file, or "
            f"delete {path.parent} to train this method from its first epoch"
        ) from error


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
