"""A model on disk: ``config.json`` to build it and ``model.safetensors`` to fill it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_model
from torch import Tensor, nn

from deconfound.errors import WeightsError
from deconfound.files import write_whole

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
FORMAT = 1
ENTRIES = (
    "decoder",
    "pack",
    "tower",
    "selector",
    "dictionary",
    "intervention",
    "classes",
    "levels",
    "train_tower",
    "intervening",
    "level_intervention",
    "average",
)


def write(model: nn.Module, config: dict[str, Any], folder: Path) -> Path:
    """Write a model into ``folder``, which is made where it is missing.

    Each file appears whole or not at all.

    Args:
        model: whose state dict is kept.
        config: JSON-able values from which it can be built again.
        folder: where.

    Raises:
        WeightsError: the folder cannot be written.
    """
    text = json.dumps({"format": FORMAT, **config}, indent=2) + "\n"
    try:
        write_whole(folder / WEIGHTS, lambda path: save_model(model, str(path)))
        write_whole(folder / CONFIG, lambda path: path.write_text(text, encoding="utf-8"))
    except (OSError, SafetensorError) as error:  # safetensors tells of a full disk in its own way
        raise WeightsError(
            f"{folder}: the model cannot be saved ({error}); make room there, or choose another"
        ) from error
    return folder


def read(source: str | Path) -> tuple[dict[str, Any], Path]:
    """Return the configuration of a saved model, and where its weights lie.

    Args:
        source: a folder, or the name of a repository on the Hugging Face hub.

    Raises:
        WeightsError: no configuration, or one that is not of this format.
    """
    folder = Path(source)
    local = folder.is_dir()
    config, weights = (folder / CONFIG, folder / WEIGHTS) if local else _download(str(source))
    return _read_config(config), weights


def fill(model: nn.Module, weights: Path) -> None:
    """Load weights into a model that was built from the configuration beside them.

    Raises:
        WeightsError: a file that is missing, damaged, or belongs to another model.
    """
    try:
        state = load_file(str(weights))
    except FileNotFoundError as error:
        raise WeightsError(f"{weights}: expected the model's weights, found no file") from error
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{weights}: not a readable safetensors file ({error})") from error
    own = model.state_dict()
    absent = [k for k in own if k not in state and not _is_alias(own, k, state)]
    differing = [k for k in state if k not in own or own[k].shape != state[k].shape]
    if differing or absent:
        raise WeightsError(
            f"{weights}: does not belong to the config.json beside it "
            f"(first difference: {(differing or absent)[0]})"
        )
    _require_numbers(weights, state)
    model.load_state_dict(state, strict=False)


def _require_numbers(weights: Path, state: dict[str, Tensor]) -> None:
    """Refuse weights with NaN: one of them, and every mask is empty without a word."""
    damaged = [name for name, tensor in state.items() if tensor.isnan().any()]
    if damaged:
        raise WeightsError(
            f"{weights}: expected numbers, found NaN in {damaged[0]}, so the file is damaged; "
            f"restore it, or train and save the model again"
        )


def _is_alias(own: dict[str, Any], key: str, state: dict[str, Any]) -> bool:
    """Say whether a tensor is kept under another name: safetensors keeps one name of each."""
    pointer = own[key].data_ptr()
    return any(own[other].data_ptr() == pointer for other in state if other in own)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: expected a saved CausalSegmenter, found no file") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: not readable JSON ({error})") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise WeightsError(
            f"{path}: expected a CausalSegmenter of format {FORMAT}, found "
            f"{config.get('format') if isinstance(config, dict) else type(config).__name__!r}"
        )
    missing = [entry for entry in ENTRIES if entry not in config]
    if missing:
        raise WeightsError(f"{path}: expected the entry {missing[0]!r}, found none")
    return {entry: config[entry] for entry in ENTRIES}


def _download(repository: str) -> tuple[Path, Path]:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        config, weights = (Path(hf_hub_download(repository, n)) for n in (CONFIG, WEIGHTS))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise WeightsError(
            f"{repository}: neither a folder here nor a repository that can be downloaded; "
            f"give the folder that save_pretrained wrote"
        ) from error
    return config, weights
