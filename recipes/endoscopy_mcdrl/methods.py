"""The models that are compared, alike in all but the method: ours, and the rivals'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from deconfound import CausalLoss, CausalSegmenter
from deconfound import vlm as vlms
from deconfound.errors import ConfigurationError, unknown_name
from deconfound.packs import PromptPack
from deconfound.rivals import Rival, rivals
from deconfound.training.adjustment import AdjustmentSettings
from deconfound.training.distributed import Fabric
from deconfound.training.loading import steps_per_epoch
from deconfound.training.model_training import ModelTraining
from deconfound.training.run_folder import RunFolder
from deconfound.training.settings import TrainingSettings
from deconfound.training.what_was_read import WhatWasRead

from .cohort import Cohort
from .config import RecipeConfig
from .parts import our_parts, takes_layer
from .priors import is_read

Setting = Mapping[str, Any]
"""A method's hyper-parameters: settings of the recipe for ours, a constructor's for a rival."""

TITLES: dict[str, str] = {
    "baseline": "Baseline",
    "mcdrl": "MCDRL",
    "mcdrl_literal": "MCDRL, literal",
    "adjusted": "MCDRL + do(z)",
    "mcdrl_without_mtrs": "w/o MTRS",
    "mcdrl_without_cdrl": "w/o CDRL",
}
"""Our methods; the baseline is the rival ``plain``."""

SOURCES: dict[str, tuple[str, str]] = {
    "mcdrl": (
        "arXiv 2508.05008",
        "the attention is a gated residual, and regions that are not chosen keep their features; "
        "docs/decisions.md has what the paper leaves open",
    ),
    "mcdrl_literal": (
        "arXiv 2508.05008",
        "as MCDRL here, but F_ca = Attn(F, Z) to the letter: of a chosen region nothing but its "
        "attention weights is left",
    ),
    "adjusted": (
        "this library, docs/weighting.md and docs/doing.md",
        "MCDRL as here, on images that are balanced by their surroundings, with confounders set "
        "where that is not enough",
    ),
    "mcdrl_without_mtrs": (
        "arXiv 2508.05008, Table 3",
        "MCDRL as here, with every location chosen",
    ),
    "mcdrl_without_cdrl": (
        "arXiv 2508.05008, Table 3",
        "MCDRL as here, without intervention and causal loss: the contrastive loss alone tells it "
        "from the baseline",
    ),
}
"""Where ours are from, and what was adapted; a rival says so itself."""

GRIDS: dict[str, tuple[Setting, ...]] = {
    "mcdrl": ({"lambda_causal": 0.5}, {"lambda_causal": 0.1}, {"lambda_causal": 1.0}),
    "mcdrl_literal": ({"lambda_causal": 0.5}, {"lambda_causal": 0.1}, {"lambda_causal": 1.0}),
    "adjusted": ({"transplant": "auto"}, {"transplant": 0.25}, {"transplant": 0.75}),
    "mcdrl_without_mtrs": ({},),
    "mcdrl_without_cdrl": ({},),
}
"""What is searched for ours where the flags leave it (`grid_of`); as many settings as for every
rival (`deconfound.rivals.TRIALS`), but for the two ablations, which are not tuned."""


def method_names() -> tuple[str, ...]:
    """Return every method there is, ours first."""
    return (*TITLES, *(name for name in rivals if name != "plain"))


def require_methods(names: Sequence[str]) -> None:
    """Raise UnknownNameError for a method that does not exist, with the near ones."""
    for name in names:
        if name not in method_names():
            raise unknown_name("method", name, method_names())


def title_of(method: str, config: RecipeConfig | None = None) -> str:
    """Return a method in words.

    Ours with another layer than the published one is not called as if it were; a run that chose
    its epochs by the held-out site says so.
    """
    title = TITLES.get(method) or rivals[_rival_name(method)].title
    if config is None:
        return title
    if takes_layer(method) and config.intervention != "cross_attention":
        title = f"{title}, {config.intervention}"
    return f"{title} (oracle)" if config.oracle else title


def source_of(method: str) -> tuple[str, str]:
    """Return where a method was published, and what was changed or left out here."""
    if method in SOURCES:
        return SOURCES[method]
    rival = rivals[_rival_name(method)]
    return rival.source, rival.adapted


def grid_of(method: str, config: RecipeConfig) -> tuple[Setting, ...]:
    """Return the settings that are searched for a method.

    Ours begin with what the flags say, so that a single trial is the training that was asked for;
    a rival's begin with the published one. A search is as long whatever it begins with.
    """
    if method not in GRIDS:
        return rivals[_rival_name(method)].grid
    grid = GRIDS[method]
    asked = {name: getattr(config, name) for name in grid[0]}
    others = [setting for setting in grid if setting != asked]
    return (asked, *others)[: len(grid)]


def configured(method: str, config: RecipeConfig, setting: Setting) -> RecipeConfig:
    """Return the recipe's settings with those of a method that are the recipe's own.

    Raises:
        ConfigurationError: a value out of its range.
    """
    changed: dict[str, Any] = {"lr": config.lr * setting.get("lr_factor", 1.0)}
    if method in GRIDS:
        changed |= {name: value for name, value in setting.items() if name != "lr_factor"}
    return RecipeConfig.model_validate({**config.model_dump(), **changed})


def intervenes(method: str) -> bool:
    """Say whether a method is one of ours with an intervention, which starts late."""
    return method in GRIDS and method != "mcdrl_without_cdrl"


def loop_of(method: str, config: RecipeConfig) -> TrainingSettings:
    """Return the settings of one method's loop.

    What a rival puts in the intervention's place is on from the first epoch: the late start is
    MCDRL's.
    """
    late = {} if method in GRIDS else {"intervention_start": 0.0}
    return config.loop.model_copy(update=late)


def build_model(
    method: str, config: RecipeConfig, pack: PromptPack, setting: Setting | None = None
) -> CausalSegmenter:
    """Build the segmenter of one method; the same seed gives all of them the same decoder.

    The baseline keeps tower, decoder and the text-aligned map that joins the pyramid; it has
    neither selection nor intervention. What is made from images, a dictionary or an intervention,
    is empty until its training is prepared (`ModelTraining`).
    """
    vlm = vlms.load(config.vlm)
    torch.manual_seed(config.seed)
    if method in GRIDS:
        parts = our_parts(method, config, pack)
    else:
        parts = _rival(method, setting).parts(vlm, pack)
    torch.manual_seed(config.seed)  # again: parts may have drawn weights of their own
    return CausalSegmenter(
        decoder=config.decoder,
        pack=pack,
        vlm=vlm,
        classes=1 if config.task == "binary" else len(pack.class_names) + 1,
        train_tower=config.train_tower,
        **parts,
    )


def build_criterion(
    method: str,
    config: RecipeConfig,
    model: CausalSegmenter,
    cohort: Cohort,
    setting: Setting | None = None,
    processes: int = 1,
) -> nn.Module:
    """Return the objective of one method: the baseline's is the segmentation loss alone.

    A rival whose loss comes on slowly is on when the training ends, which ``processes`` share.
    """
    ours = method in GRIDS
    loss = CausalLoss(
        model.prompts,
        segmentation=config.segmentation_loss,
        lambda_causal=config.lambda_causal if intervenes(method) else 0.0,
        lambda_contrast=config.lambda_contrast if ours else 0.0,
        temperature=config.tau,
        lambda_lesion=config.lambda_lesion if method == "adjusted" else 0.0,
    )
    if ours:
        return loss
    torch.manual_seed(config.seed)  # a rival's loss may have weights of its own
    steps = config.epochs * steps_per_epoch(len(cohort.train), config.batch_size, processes)
    return _rival(method, setting, ramp_steps=steps).criterion(model, loss, len(cohort.sites))


def build_training(
    method: str,
    config: RecipeConfig,
    model: CausalSegmenter,
    cohort: Cohort,
    run: RunFolder,
    fabric: Fabric,
    setting: Setting | None = None,
) -> ModelTraining:
    """Return the training of one method's model on a cohort, resumed if ``run`` has begun it."""
    return ModelTraining(
        model,
        build_criterion(method, config, model, cohort, setting, fabric.world_size),
        cohort.train,
        cohort.validation,
        loop_of(method, config),
        run,
        fabric,
        adjusting_of(method, config),
        method,
        reads_prior=method in GRIDS and is_read(config),
    )


def adjusting_of(method: str, config: RecipeConfig) -> AdjustmentSettings:
    """Return what one method adjusts by while it is trained; nothing but for ``adjusted``."""
    return config.adjustment if method == "adjusted" else AdjustmentSettings.off()


def what_was_read(
    run: RunFolder, method: str, config: RecipeConfig, cohort: Cohort
) -> WhatWasRead | None:
    """Return what the training of a method read in its images; None where it kept nothing.

    Raises:
        RunFolderError: what was kept is damaged, or of other settings or images.
    """
    path = run.what_was_read(method)
    if not path.exists():
        return None
    return WhatWasRead.kept(path, adjusting_of(method, config), cohort.train)


def _rival(method: str, setting: Setting | None = None, **offered: Any) -> Rival:
    options = {name: value for name, value in (setting or {}).items() if name != "lr_factor"}
    return rivals.build({"name": _rival_name(method), **options}, **offered)


def _rival_name(method: str) -> str:
    require_methods([method])
    if method in GRIDS:
        raise ConfigurationError(f"{method} is one of our methods, not a rival")
    return "plain" if method == "baseline" else method
