"""A model on disk: ``config.json`` to build it and ``model.safetensors`` to fill it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_model
from torch import nn

from deconfound.decoders import canonical_architecture
from deconfound.dictionaries import dictionaries
from deconfound.errors import ConfigurationError, WeightsError
from deconfound.interventions import interventions
from deconfound.packs import PromptPack
from deconfound.selectors import selectors
from deconfound.vlm import VisionLanguageModel

if TYPE_CHECKING:
    from deconfound.segmenter import CausalSegmenter

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
FORMAT = 1


def save(model: CausalSegmenter, folder: Path) -> Path:
    """Write the model into ``folder``, which is made where it is missing.

    Each file appears whole or not at all.

    Raises:
        ConfigurationError: a part whose class is not registered and could not be found again.
        WeightsError: the folder cannot be written.
    """
    config = json.dumps(describe(model), indent=2) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as staging:
            save_model(model, str(Path(staging) / WEIGHTS))
            (Path(staging) / CONFIG).write_text(config)
            for name in (WEIGHTS, CONFIG):
                os.replace(Path(staging) / name, folder / name)
    except OSError as error:
        raise WeightsError(f"cannot save the model to {folder}: {error.strerror}") from error
    return folder


def describe(model: CausalSegmenter) -> dict[str, Any]:
    """Return all that is needed to build the model again, as JSON-able values."""
    return {
        "format": FORMAT,
        "decoder": model.decoder_spec,
        "pack": model.pack.to_mapping(),
        "tower": model.tower.spec,
        "selector": _spec(selectors, model.selector),
        "dictionary": _spec(dictionaries, model.dictionary),
        "intervention": _spec(interventions, model.intervention),
        "classes": model.classes,
        "levels": list(model.fusion.levels),
        "train_tower": model.train_tower,
    }


def load(cls: type[CausalSegmenter], source: str | Path) -> CausalSegmenter:
    """Build the model from its ``config.json`` and fill it.

    Args:
        cls: the class to build.
        source: a folder, or the name of a repository on the Hugging Face hub.

    Raises:
        WeightsError: a file that is missing, damaged, or not of this format.
    """
    folder = Path(source)
    files = [folder / CONFIG, folder / WEIGHTS] if folder.is_dir() else _download(str(source))
    config = _read_config(files[0])
    try:
        model = cls(
            decoder=_decoder(config["decoder"]),
            pack=PromptPack.from_mapping(config["pack"]),
            vlm=VisionLanguageModel.without_text(config["tower"]),
            selector=config["selector"],
            dictionary=config["dictionary"],
            intervention=config["intervention"],
            classes=config["classes"],
            levels=config["levels"],
            train_tower=config["train_tower"],
        )
    except KeyError as error:
        raise WeightsError(f"{files[0]}: expected the entry {error}, found none") from error
    _fill(model, files[1])
    return model.eval()


def _fill(model: nn.Module, weights: Path) -> None:
    try:
        state = load_file(str(weights))
    except FileNotFoundError as error:
        raise WeightsError(f"{weights}: expected the model's weights, found no file") from error
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{weights}: not a readable safetensors file ({error})") from error
    own = model.state_dict()
    shared = {k for k in own if k not in state}  # safetensors keeps one name of a shared tensor
    differing = [k for k in state if k not in own or own[k].shape != state[k].shape]
    if differing or any(not _is_alias(own, k, state) for k in shared):
        example = (differing or sorted(shared))[0]
        raise WeightsError(
            f"{weights}: does not belong to the config.json beside it (first difference: {example})"
        )
    model.load_state_dict(state, strict=False)


def _is_alias(own: dict[str, Any], key: str, state: dict[str, Any]) -> bool:
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
    return config


def _download(repository: str) -> list[Path]:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return [Path(hf_hub_download(repository, name)) for name in (CONFIG, WEIGHTS)]
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise WeightsError(
            f"{repository}: neither a folder here nor a repository that can be downloaded; "
            f"give the folder that save_pretrained wrote"
        ) from error


def _decoder(spec: dict[str, Any]) -> dict[str, Any] | nn.Module:
    if "smp_model" not in spec:
        return spec
    import segmentation_models_pytorch as smp

    options = {k: v for k, v in spec.items() if k != "smp_model"}
    return getattr(smp, canonical_architecture(spec["smp_model"]))(**options)


def _spec(registry: Any, part: Any) -> dict[str, Any]:
    spec = {"name": registry.name_of(part), **part.options()}
    try:
        json.dumps(spec)
    except TypeError as error:
        raise ConfigurationError(
            f"{type(part).__qualname__}.options() must return JSON-able values: {error}"
        ) from error
    return spec
