"""From open_clip's model configuration to a model with random weights, and to a tower's spec."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from deconfound.errors import ConfigurationError

MODEL_KEYS = ("embed_dim", "vision_cfg", "text_cfg")


def build_clip(model_cfg: Mapping[str, Any]) -> Any:
    """Build an open_clip model with random weights, downloading nothing.

    Args:
        model_cfg: ``embed_dim``, ``vision_cfg``, ``text_cfg`` and what else open_clip's own
            configuration files hold.

    Raises:
        ConfigurationError: a key is missing, unknown, or does not fit the others.
    """
    import open_clip

    _require_keys(model_cfg)
    config = copy.deepcopy(dict(model_cfg))
    _forbid_downloads(config)
    custom = config.pop("custom_text", False) or bool(config["text_cfg"].get("hf_model_name"))
    coca = custom and "multimodal_cfg" in config
    kind = open_clip.CoCa if coca else open_clip.CustomTextCLIP if custom else open_clip.CLIP
    try:
        return kind(**config)
    except (TypeError, ValueError, AssertionError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigurationError(
            f"open_clip cannot build {kind.__name__} from this model configuration: {reason}"
        ) from error


def _require_keys(model_cfg: Mapping[str, Any]) -> None:
    missing = [key for key in MODEL_KEYS if key not in model_cfg]
    if missing:
        raise ConfigurationError(f"open_clip model configuration lacks {', '.join(missing)}")


def _forbid_downloads(config: dict[str, Any]) -> None:
    """Keep towers from fetching weights of their own: they are about to be loaded."""
    if config["vision_cfg"].get("timm_model_name"):
        config["vision_cfg"]["timm_model_pretrained"] = False
    if config["text_cfg"].get("hf_model_name"):
        config["text_cfg"]["hf_model_pretrained"] = False


def tower_spec(
    model_cfg: Mapping[str, Any], preprocess: Mapping[str, Any], name: str, dense: str
) -> dict[str, Any]:
    """Return the spec of the vision tower in a model configuration.

    Args:
        model_cfg: open_clip's model configuration.
        preprocess: open_clip's preprocessing; ``mean`` and ``std`` default to OpenAI's.
        name: what the model is called.
        dense: the dense variant, or ``"auto"``.

    Raises:
        ConfigurationError: a key is missing, or mean or std are not three numbers.
    """
    import open_clip

    _require_keys(model_cfg)
    mean = list(preprocess.get("mean") or open_clip.OPENAI_DATASET_MEAN)
    std = list(preprocess.get("std") or open_clip.OPENAI_DATASET_STD)
    if not (len(mean) == len(std) == 3 and all(s > 0 for s in std)):
        raise ConfigurationError(
            f"preprocessing of {name}: expected three means and three positive deviations, "
            f"got mean={mean} and std={std}"
        )
    return {
        "name": name,
        "embed_dim": int(model_cfg["embed_dim"]),
        "vision_cfg": copy.deepcopy(dict(model_cfg["vision_cfg"])),
        "quick_gelu": bool(model_cfg.get("quick_gelu", False)),
        "mean": mean,
        "std": std,
        "dense": dense,
    }
