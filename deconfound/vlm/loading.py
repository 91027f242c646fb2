"""`load`: a vision-language model by open_clip name, by path, or ready made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deconfound.errors import WeightsError
from deconfound.vlm.architecture import MODEL_KEYS, build_clip, tower_spec
from deconfound.vlm.model import VisionLanguageModel
from deconfound.vlm.names import MINI, resolve_name
from deconfound.vlm.text import OpenClipText, Tokenizer, default_tokenizer
from deconfound.vlm.tower import VisionTower
from deconfound.vlm.weights import SUFFIX, download, find_weights, load_weights, refuse_file

CONFIG = "open_clip_config.json"
MINI_FOLDER = Path(__file__).parent / MINI


def load(name: str | Path | VisionLanguageModel, dense: str = "auto") -> VisionLanguageModel:
    """Load a vision-language model, on the CPU, in float32 and evaluation mode.

    Args:
        name: ``"architecture/tag"`` of open_clip (``"ViT-L-14/openai"``; the ``-quickgelu``
            architecture is taken where the tag demands it), ``"mini"`` for the bundled small
            model, a folder in open_clip's own format, or a ``.safetensors`` file with
            ``open_clip_config.json`` beside it; a ready model is returned as it is.
        dense: the dense variant, see `ViTTower`; ``"auto"`` keeps a ready model's own.

    Raises:
        UnknownNameError: open_clip knows no such architecture or tag; near names are listed.
        ConfigurationError: the name insists on the wrong activation, or a setting cannot work.
        WeightsError: weights are missing, damaged, pickled, of another model, or out of reach.
    """
    if isinstance(name, VisionLanguageModel):
        return name if dense in ("auto", name.tower.dense) else name.with_dense(dense)
    require_known(name)
    if str(name) == MINI:
        return _from_folder(MINI_FOLDER, find_weights(MINI_FOLDER), MINI, dense)
    path = Path(name).expanduser()
    if path.is_dir():
        return _from_folder(path, find_weights(path), str(name), dense)
    if path.is_file():
        return _from_folder(path.parent, path, str(name), dense)
    return _from_name(str(name), dense)


def require_known(name: str | Path) -> None:
    """Refuse, before anything is loaded, a name that no model has; see `load` for names and errors.

    Whether the weights can be reached, and are whole, is not asked.
    """
    path = Path(name).expanduser()
    if str(name) == MINI or path.is_dir():
        return
    if path.is_file():
        if path.suffix != SUFFIX:
            raise refuse_file(path)
    elif _is_path(name):
        raise WeightsError(f"{path} does not exist; expected a model folder or a {SUFFIX} file")
    else:
        resolve_name(str(name))


def _is_path(name: str | Path) -> bool:
    """Return whether ``name`` can only be meant as a path, though nothing is there."""
    text = str(name)
    looks = text.endswith(SUFFIX) or text.startswith((".", "/", "~")) or text.count("/") > 1
    return looks or isinstance(name, Path)


def _from_name(name: str, dense: str) -> VisionLanguageModel:
    resolved = resolve_name(name)
    weights = download(str(resolved), resolved.published)
    tokenizer = _tokenizer(resolved.architecture, str(resolved))
    return _assemble(
        resolved.model_cfg, resolved.published, weights, tokenizer, str(resolved), dense
    )


def _from_folder(folder: Path, weights: Path, name: str, dense: str) -> VisionLanguageModel:
    model_cfg, preprocess = _read_config(folder / CONFIG)
    named = bool(model_cfg["text_cfg"].get("hf_tokenizer_name"))
    tokenizer = _tokenizer(f"local-dir:{folder}", name) if named else default_tokenizer(model_cfg)
    return _assemble(model_cfg, preprocess, weights, tokenizer, name, dense)


def _assemble(
    model_cfg: dict[str, Any],
    preprocess: dict[str, Any],
    weights: Path,
    tokenizer: Tokenizer,
    name: str,
    dense: str,
) -> VisionLanguageModel:
    clip = build_clip(model_cfg)
    tower = VisionTower.from_visual(clip.visual, tower_spec(model_cfg, preprocess, name, dense))
    load_weights(clip, weights)
    text = OpenClipText(clip.eval(), tokenizer, name, tower.embed_dim, model_cfg)
    return VisionLanguageModel(tower.eval(), text, name)


def _read_config(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read open_clip's model configuration and preprocessing from a folder's JSON file."""
    if not path.is_file():
        raise WeightsError(
            f"{path} does not exist; expected open_clip's configuration (model_cfg, "
            f"preprocess_cfg) beside the weights"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} is not readable JSON ({error}); save it again") from error
    config = content.get("model_cfg", content) if isinstance(content, dict) else None
    wanted = dict(zip(MODEL_KEYS, (int, dict, dict), strict=True))
    if not isinstance(config, dict) or not all(
        isinstance(config.get(key), kind) for key, kind in wanted.items()
    ):
        raise WeightsError(
            f"{path} is no open_clip configuration; expected embed_dim (a number), vision_cfg and "
            f"text_cfg (mappings)"
        )
    preprocess = content.get("preprocess_cfg")
    return config, preprocess if isinstance(preprocess, dict) else {}


def _tokenizer(source: str, name: str) -> Tokenizer:
    """Return open_clip's tokenizer, some of which come from other libraries and are downloaded."""
    try:
        return default_tokenizer(source)
    except Exception as error:  # transformers lets through whatever its transport raises
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"the tokenizer of {name} could not be loaded ({reason}); install transformers, and "
            f"fetch the tokenizer on a connected machine or set HF_HOME to a cache that holds it"
        ) from error
