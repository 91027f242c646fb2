"""From what a user writes (a name, a mapping, a ready object) to the part that is meant."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from torch import nn

from deconfound import vlm as vlms
from deconfound.component import Component
from deconfound.decoders import (
    ReadySmpBody,
    SegmentationBody,
    TowerBody,
    build_decoder,
    build_smp_model,
    canonical_architecture,
)
from deconfound.dictionaries import ConfounderDictionary, dictionaries
from deconfound.encoders import TowerPyramid, levels_from_stride
from deconfound.encoders.level_interventions import LevelIntervention, level_interventions
from deconfound.errors import ConfigurationError, unknown_name
from deconfound.estimators import Level
from deconfound.interventions import HasEffects, InterventionLayer, interventions
from deconfound.packs import PromptPack
from deconfound.prompts import PromptEmbeddings
from deconfound.registry import Registry
from deconfound.selectors import RegionSelector, selectors
from deconfound.vlm import VisionLanguageModel, VisionTower

C = TypeVar("C", bound=Component)
Spec = str | Mapping[str, Any]


def resolve_pack(pack: PromptPack | str | Path) -> PromptPack:
    """Return the pack, looked up by name or path unless it is one."""
    return pack if isinstance(pack, PromptPack) else PromptPack.load(pack)


def resolve_vlm(vlm: VisionLanguageModel | str | Path, pack: PromptPack) -> VisionLanguageModel:
    """Return the vision-language model, having checked that it can read every prompt whole."""
    model = vlms.load(vlm)
    pack.check_context(model.count_tokens, model.context_length)
    if model is vlm:  # two segmenters over one ready model must not train each other's tower
        model = VisionLanguageModel(copy.deepcopy(vlm.tower), vlm.text, vlm.name)
    return model


def resolve_selector(spec: RegionSelector | Spec) -> RegionSelector:
    """Return the region selector that is meant."""
    return _component(selectors, RegionSelector, spec)


def resolve_dictionary(
    spec: ConfounderDictionary | Spec, pack: PromptPack, prompts: PromptEmbeddings
) -> ConfounderDictionary:
    """Return the dictionary that is meant; a named one is offered the pack's confounders."""
    return _component(
        dictionaries,
        ConfounderDictionary,
        spec,
        names=pack.confounder_names,
        embeddings=prompts.confounders,
        dim=prompts.confounders.shape[1],
    )


def resolve_intervention(spec: InterventionLayer | Spec, dim: int) -> InterventionLayer:
    """Return the intervention that is meant; a named one is offered the joint space's width."""
    return _component(interventions, InterventionLayer, spec, dim=dim)


def resolve_average(level: Level, intervention: InterventionLayer) -> Level:
    """Return where the sum over confounders is taken, if the intervention can be asked there."""
    if level not in get_args(Level):
        raise unknown_name("level to average at", str(level), get_args(Level))
    if level != "feature" and not isinstance(intervention, HasEffects):
        raise ConfigurationError(
            f"average={level!r}: expected an intervention that says what each confounder would "
            f"do, found {type(intervention).__name__}; take film or gated_mlp, or average features"
        )
    return level


def resolve_level_intervention(
    spec: LevelIntervention | Spec | None, pack: PromptPack, body: SegmentationBody
) -> LevelIntervention:
    """Return the level intervention that is meant; a named one is offered what there is to set."""
    return _component(
        level_interventions,
        LevelIntervention,
        "identity" if spec is None else spec,
        names=pack.confounder_names,
        channels=body.channels,
        allowed=body.levels_read,
    )


def resolve_body(
    decoder: str | Mapping[str, Any] | nn.Module, tower: VisionTower, classes: int
) -> SegmentationBody:
    """Return a decoder over the tower, or the ready SMP model."""
    if classes < 1:
        raise ConfigurationError(f"classes must be at least 1, found {classes}")
    if isinstance(decoder, nn.Module):
        return ReadySmpBody(decoder)
    spec = decoder_spec(decoder)
    if "smp_model" in spec:
        return ReadySmpBody(build_smp_model(spec))
    pyramid = TowerPyramid.for_tower(tower)
    options = {k: v for k, v in spec.items() if k != "name"}
    return TowerBody(pyramid, build_decoder(spec["name"], pyramid.out_channels, classes, options))


def decoder_spec(decoder: str | Mapping[str, Any] | nn.Module) -> dict[str, Any]:
    """Return the decoder as JSON-able values, from which `resolve_body` can build it again."""
    if isinstance(decoder, nn.Module):
        arguments = cast("Mapping[str, Any]", decoder.config)  # what SMP's mixin keeps of them
        config = {k: v for k, v in arguments.items() if not k.startswith("_")}
        return {"smp_model": type(decoder).__name__, **config, "encoder_weights": None}
    if not isinstance(decoder, str | Mapping):
        raise ConfigurationError(
            f"decoder: expected an SMP architecture, a mapping with its `name`, or an SMP model, "
            f"found {decoder!r}"
        )
    spec = {"name": decoder} if isinstance(decoder, str) else dict(decoder)
    kind = "smp_model" if "smp_model" in spec else "name"
    if not isinstance(spec.get(kind), str):
        raise ConfigurationError(f"decoder: a mapping needs a `{kind}`, an SMP architecture")
    return {**spec, kind: canonical_architecture(spec[kind])}


def component_spec(registry: Registry[C], part: C) -> dict[str, Any]:
    """Return a plug-in as JSON-able values, from which its registry can build it again.

    Raises:
        ConfigurationError: a class that is not registered, or options that JSON cannot hold.
    """
    spec = {"name": registry.name_of(part), **part.options()}
    try:
        json.dumps(spec)
    except TypeError as error:
        raise ConfigurationError(
            f"{type(part).__qualname__}.options() must return JSON-able values: {error}"
        ) from error
    return spec


def resolve_levels(
    levels: Sequence[int] | str, body: SegmentationBody, tower: VisionTower
) -> Sequence[int]:
    """Return the pyramid levels that the intervened map joins."""
    if levels == "auto":
        grid_stride = tower.image_size[0] // tower.grid_size(*tower.image_size)[0]
        return levels_from_stride(body.strides, grid_stride, body.levels_read)
    if isinstance(levels, str):
        raise ConfigurationError(f"levels must be 'auto' or a list of integers, found {levels!r}")
    return levels


def _component(registry: Registry[C], interface: Any, spec: C | Spec, **offered: Any) -> C:
    if isinstance(spec, str | Mapping):
        return registry.build(spec, **offered)
    if isinstance(spec, interface):
        return spec
    raise ConfigurationError(
        f"expected a {registry.kind}, its name, or a mapping with `name`, "
        f"found {type(spec).__qualname__}"
    )
