"""Every choice of the recipe, each a flag; profiles are YAML files of the same names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
import yaml
from pydantic import Field, ValidationInfo, field_validator

from deconfound.errors import ConfigurationError, unknown_name
from deconfound.estimators.levels import Level
from deconfound.settings import WrongValueError
from deconfound.training.adjustment import AdjustmentSettings
from deconfound.training.settings import TrainingSettings

PROFILES = Path(__file__).parent / "profiles"


class RecipeConfig(TrainingSettings, AdjustmentSettings):
    """The settings of one leave-one-site-out run, in addition to those of the loop.

    Attributes:
        config: profile to start from: ``default``, ``paper``, or the path of a YAML or JSON file;
            flags override what it says.
        data: folder with the datasets as released, or a manifest.csv; without it, the five
            rendered sites.
        bgr: names of the sites in ``data`` whose files store blue first, as some copies do.
        sites: names of the sites that take part; all by default.
        holdout: the site that training never sees; without it, the last one of them.
        out: run folder to make; without it, a new one under runs/.
        resume: continue the run in the folder ``out`` where it stopped.
        vlm: vision-language model: mini, ARCHITECTURE/TAG of open_clip, or a path of weights.
        decoder: segmentation-models-pytorch architecture.
        pack: prompt pack, by name or path.
        methods: what is trained, each with the same seed, data and budget: baseline, plain
            training; mcdrl, the published form; mcdrl_literal, its equation without a residual;
            adjusted, mcdrl trained on images that are balanced (weighting), and whose confounders
            are set (transplant, restyle, render); or a rival: docs/rivals.md.
        task: binary (lesion or not) or multiclass (which lesion).
        image_size: side of the training images, in pixels.
        train_tower: frozen, all, or how many of the tower's last blocks are trained.
        alpha: share of locations that MTRS keeps.
        intervention: layer of mcdrl and adjusted: cross_attention, the published one; gated_mlp,
            film or translation, an A(f, z) that is summed over z; prior_only, front_door, erasure,
            leace or identity: docs/interventions.md, docs/literature.md.
        estimator: how gated_mlp, film or translation is summed over z: enumeration, their default;
            monte_carlo, prior_mean, attention, or standardisation.
        average: where that sum is taken: of the features, before the decoder; of its logits or
            probabilities, behind it, at a pass of the decoder for each confounder.
        depth: layers of cross_attention.
        heads: attention heads of cross_attention and front_door.
        temperature: of their attention over confounders; large values weigh by the prior.
        merge: how cross_attention joins the regions; replace is the literal equation.
        dictionary: of our methods: text, the pack's prompts; class_means, the lesion classes;
            kmeans, as many clusters of the training images as the pack has prompts; learned, as
            many trained vectors: docs/literature.md.
        centre: subtract the mean prompt embedding from the dictionary of text.
        prior: P(z) of that dictionary: uniform; empirical, how often each confounder occurs among
            the training images, which of text the vision-language model reads; or a number for
            each of the pack's confounders, as blur=1 blood=0.5 and so on. By default empirical for
            kmeans and class_means, uniform for the others.
        level_intervention: of our methods, on every map that the decoder reads: none; statistics,
            channel statistics of a drawn confounder; erasure, of what says which confounder it is,
            in closed form; mixstyle, statistics mixed between pictures: docs/interventions.md.
        segmentation_loss: ce, as published, or ce+dice.
        lambda_causal: weight of the causal loss.
        lambda_lesion: adjusted: weight of the loss of where any lesion is, apart from which
            (several classes).
        lambda_contrast: weight of the contrastive loss.
        tau: temperature of the contrastive loss.
        validation_share: share of the training sites' frames held out, in whole patients, to
            choose the epoch.
        oracle: choose the epoch by the held-out site itself, which nobody can do in practice;
            every result says so.
        frames_per_site: train and validate on at most that many frames of each site, spread evenly
            over its files; the held-out site is always whole.
        augment: flip, rotate and colour-jitter training images.
        images_per_site: how many images each rendered site has.
        scenes: rendered sites: seed of what is rendered; --seed by default.
        correlation: rendered sites: how strongly confounders go with classes, 0 to 1.
        pictures: put images into the report.
        json_output: print the results as JSON instead of a table (--json).
    """

    config: str = "default"
    data: Path | None = None
    bgr: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    holdout: str | None = None
    out: Path | None = None
    resume: bool = False
    vlm: str = "mini"
    decoder: str = "Unet"
    pack: str = "endoscopy"
    methods: Annotated[tuple[str, ...], Field(min_length=1)] = ("baseline", "adjusted")
    task: Literal["binary", "multiclass"] = "binary"
    image_size: int = Field(96, ge=32)
    train_tower: Literal["frozen", "all"] | int = "frozen"
    alpha: float = Field(0.5, gt=0, le=1)
    intervention: str = "cross_attention"
    estimator: str | None = None
    average: Level = "feature"
    depth: int = Field(3, ge=1, le=5)
    heads: int = Field(8, ge=1)
    temperature: float = Field(1.0, gt=0)
    merge: Literal["gated", "add", "replace"] = "gated"
    dictionary: Literal["text", "class_means", "kmeans", "learned"] = "text"
    centre: bool = False
    prior: tuple[str, ...] = ()
    level_intervention: Literal["none", "statistics", "erasure", "mixstyle"] = "none"
    segmentation_loss: Literal["ce", "ce+dice"] = "ce+dice"
    lambda_causal: float = Field(0.5, ge=0)
    lambda_lesion: float = Field(0.0, ge=0)
    lambda_contrast: float = Field(0.1, ge=0)
    tau: float = Field(0.5, gt=0)
    validation_share: float = Field(0.15, gt=0, lt=1)
    oracle: bool = False
    frames_per_site: Annotated[int, Field(ge=8)] | None = None
    augment: bool = True
    images_per_site: int = Field(140, ge=8)
    scenes: Annotated[int, Field(ge=0)] | None = None
    correlation: float = Field(0.5, ge=0, le=1)
    pictures: bool = True
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False

    @field_validator("bgr")
    @classmethod
    def _of_files(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Refuse to be told how files are stored where there are none."""
        if names and info.data.get("data") is None:
            raise ValueError("expected --data with the sites that are named")
        return names

    @property
    def loop(self) -> TrainingSettings:
        """The settings of the loop alone."""
        return TrainingSettings(**{k: getattr(self, k) for k in TrainingSettings.model_fields})

    @property
    def adjustment(self) -> AdjustmentSettings:
        """What the method ``adjusted`` adjusts by."""
        names = AdjustmentSettings.model_fields
        return AdjustmentSettings(**{name: getattr(self, name) for name in names})


def load_profile(name: str) -> RecipeConfig:
    """Return the configuration that a profile describes.

    Args:
        name: a file of `PROFILES` without its ending, or the path of a YAML or JSON file
            (a run folder's ``config.json`` repeats that run).

    Raises:
        UnknownNameError: no such profile, or a setting that does not exist.
        ConfigurationError: a file that cannot be read, or a value out of its range.
    """
    path = Path(name) if name.endswith((".yaml", ".yml", ".json")) else PROFILES / f"{name}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if path.parent != PROFILES:
            raise ConfigurationError(f"{path}: expected a configuration, found no file") from None
        raise unknown_name("profile", name, [p.stem for p in PROFILES.glob("*.yaml")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({error})") from error
    try:
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text) or {}
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"{path}: not readable as settings ({' '.join(str(error).split())})"
        ) from error
    if not isinstance(values, dict):
        raise ConfigurationError(
            f"{path}: expected `setting: value` lines, found a {type(values).__name__}"
        )
    return build({**values, "config": name}, str(path))


def build(values: dict[str, Any], source: str) -> RecipeConfig:
    """Validate settings; errors are one sentence that names the source and the near setting."""
    for setting in values:
        if setting not in RecipeConfig.model_fields:
            raise unknown_name(f"setting in {source}", setting, RecipeConfig.model_fields)
    try:
        return RecipeConfig.model_validate(values)
    except WrongValueError as error:
        raise ConfigurationError(f"{source}: {error}") from error
