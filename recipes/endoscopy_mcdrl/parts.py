"""The parts of our methods: from the flags to what `CausalSegmenter` takes, if they fit."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from deconfound.errors import ConfigurationError
from deconfound.estimators import estimators
from deconfound.interventions import HasEffects, interventions
from deconfound.packs import PromptPack

from .config import RecipeConfig
from .priors import prior_of

ATTENTION: dict[str, tuple[str, ...]] = {
    "cross_attention": ("depth", "heads", "temperature", "merge"),
    "front_door": ("heads", "temperature"),
}
"""Layers that attend to the dictionary, and the settings they read; other layers read none."""

ASKED_LAYER = ("mcdrl", "adjusted", "mcdrl_without_mtrs")
"""Ours with the layer that is asked for. The others are told apart by their own: cross-attention
without a residual (``mcdrl_literal``), and none (``mcdrl_without_cdrl``)."""

ONE_LOCATION = 32
"""Pixels of an image whose deepest map is a single location."""


def takes_layer(method: str) -> bool:
    """Say whether a method has the layer that is asked for; others bring their own."""
    return method in ASKED_LAYER


def our_parts(method: str, config: RecipeConfig, pack: PromptPack) -> dict[str, Any]:
    """Return what tells one of our methods apart, as arguments of `CausalSegmenter`.

    Errors are those of `require_parts`.
    """
    require_parts(config, pack)
    mtrs = {"name": "mtrs", "alpha": config.alpha}
    return {
        "selector": "all" if method == "mcdrl_without_mtrs" else mtrs,
        "dictionary": _dictionary(config, pack),
        "intervention": _layer(method, config),
        "average": config.average if takes_layer(method) else "feature",
        "level_intervention": _level_intervention(config),
    }


def require_parts(config: RecipeConfig, pack: PromptPack) -> None:
    """Refuse, before anything is made, parts that do not exist or do not fit each other.

    Args:
        config: the settings.
        pack: whose confounders a prior names.

    Raises:
        UnknownNameError: a layer, an estimator, a prior or a confounder, with the near ones.
        ConfigurationError: two flags of which one has to go.
    """
    _require_layer(config)
    _require_read(config)
    _require_summed(config)
    _dictionary(config, pack)
    _level_intervention(config)


def described(config: RecipeConfig) -> str:
    """Return layer, estimator and level of averaging in words."""
    told = [config.intervention]
    if "estimator" in (parameters := _parameters(config)):
        told.append(f"summed over z by {config.estimator or parameters['estimator'].default}")
    if config.average != "feature":
        told.append(f"averaged by {config.average} behind the decoder")
    return ", ".join(told)


def _parameters(config: RecipeConfig) -> Mapping[str, inspect.Parameter]:
    return interventions.parameters(config.intervention)


def _require_layer(config: RecipeConfig) -> None:
    """Refuse a layer that a name alone does not make."""
    needed = [name for name, one in _parameters(config).items() if one.default is one.empty]
    if more := [name for name in needed if name != "dim"]:
        raise ConfigurationError(
            f"--intervention {config.intervention}: expected a layer that a name alone makes, "
            f"found one that needs {', '.join(more)}; take another, or a rival that has it "
            f"(--methods stylip biomedcoop)"
        )


def _require_summed(config: RecipeConfig) -> None:
    """Refuse a sum over z, or a place where it is taken, of a layer that has no A(f, z)."""
    if config.estimator is not None:
        estimators.build(config.estimator)  # a name that is not known
        if "estimator" not in _parameters(config):
            raise _no_sum(f"--estimator {config.estimator}", config)
    sums = issubclass(interventions[config.intervention], HasEffects)
    if config.average != "feature" and not sums:
        raise _no_sum(f"--average {config.average}", config)


def _no_sum(flag: str, config: RecipeConfig) -> ConfigurationError:
    return ConfigurationError(
        f"{flag}: expected a layer A(f, z) that can be summed over z, found --intervention "
        f"{config.intervention}; take {' or '.join(_summed())}, or leave {flag.split()[0]} out"
    )


def _summed() -> list[str]:
    """Return the layers over which an estimator takes its sum."""
    return [name for name in interventions if "estimator" in interventions.parameters(name)]


def _require_read(config: RecipeConfig) -> None:
    """Refuse a setting of attention that the layer would pass over without a word.

    Where no method that is trained has that layer, it is for the one that ``mcdrl_literal`` has.
    """
    if "mcdrl_literal" in config.methods and not any(map(takes_layer, config.methods)):
        return
    usual = RecipeConfig.model_fields
    for setting in ATTENTION["cross_attention"]:
        read = setting in ATTENTION.get(config.intervention, ())
        if not read and getattr(config, setting) != usual[setting].default:
            having = [name for name, settings in ATTENTION.items() if setting in settings]
            raise ConfigurationError(
                f"--{setting} {getattr(config, setting)}: expected --intervention "
                f"{' or '.join(having)}, which has it, found {config.intervention}; leave one of "
                f"the two flags out"
            )


def _layer(method: str, config: RecipeConfig) -> str | dict[str, Any]:
    if method == "mcdrl_without_cdrl":
        return "identity"
    name = "cross_attention" if method == "mcdrl_literal" else config.intervention
    read = {setting: getattr(config, setting) for setting in ATTENTION.get(name, ())}
    if method == "mcdrl_literal":
        return {"name": name, **read, "merge": "replace"}
    summed = {} if config.estimator is None else {"estimator": config.estimator}
    return {"name": name, **read, **summed}


def _dictionary(config: RecipeConfig, pack: PromptPack) -> dict[str, Any]:
    """Return the dictionary that is asked for; one without words is as large as the pack's."""
    if config.centre and config.dictionary != "text":
        raise ConfigurationError(
            f"--centre: expected the dictionary text, whose prompts have a mean in common, found "
            f"{config.dictionary}; leave one of the two flags out"
        )
    size = len(pack.confounder_names)
    options: dict[str, dict[str, Any]] = {
        "text": {"centre": config.centre},
        "class_means": {},
        "kmeans": {"clusters": size, "seed": config.seed},
        "learned": {"size": size, "seed": config.seed},
    }
    own = options[config.dictionary]
    return {"name": config.dictionary, **own, **prior_of(config, pack.confounder_names)}


def _level_intervention(config: RecipeConfig) -> str | None:
    """Return the level intervention that is asked for."""
    asked = config.level_intervention
    if asked in ("statistics", "mixstyle") and config.image_size <= ONE_LOCATION:
        raise ConfigurationError(
            f"--level-intervention {asked}: expected images of more than {ONE_LOCATION} pixels, so "
            f"that the deepest map has a deviation, found --image-size {config.image_size}"
        )
    return None if asked == "none" else asked
