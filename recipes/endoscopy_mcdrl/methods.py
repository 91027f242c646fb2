"""The models that are compared, alike in all but the method."""

from __future__ import annotations

from typing import Any

import torch

from deconfound import CausalLoss, CausalSegmenter
from deconfound.packs import PromptPack
from deconfound.training.adjusting import Watch, build_adjustment
from deconfound.training.adjustment import Adjustment
from deconfound.training.loading import ImageDataset

from .config import Method, RecipeConfig

TITLES: dict[Method, str] = {
    "baseline": "Baseline",
    "mcdrl": "MCDRL",
    "adjusted": "MCDRL + do(z)",
}


def build_model(method: Method, config: RecipeConfig, pack: PromptPack) -> CausalSegmenter:
    """Build the segmenter of one method; the same seed gives both the same decoder.

    The baseline keeps tower, decoder and the text-aligned map that joins the pyramid; it has
    neither selection nor intervention.
    """
    torch.manual_seed(config.seed)
    parts: dict[str, Any] = {"selector": "all", "intervention": "identity"}
    if method != "baseline":
        parts = {
            "selector": {"name": "mtrs", "alpha": config.alpha},
            "dictionary": {"name": "text", "centre": config.centre},
            "intervention": {
                "name": "cross_attention",
                "depth": config.depth,
                "heads": config.heads,
                "temperature": config.temperature,
                "merge": config.merge,
            },
        }
    return CausalSegmenter(
        decoder=config.decoder,
        pack=pack,
        vlm=config.vlm,
        classes=1 if config.task == "binary" else len(pack.class_names) + 1,
        train_tower=config.train_tower,
        **parts,
    )


def build_criterion(method: Method, config: RecipeConfig, model: CausalSegmenter) -> CausalLoss:
    """Return the objective of one method: the baseline's is the segmentation loss alone."""
    causal = method != "baseline"
    return CausalLoss(
        model.prompts,
        segmentation=config.segmentation_loss,
        lambda_causal=config.lambda_causal if causal else 0.0,
        lambda_contrast=config.lambda_contrast if causal else 0.0,
        temperature=config.tau,
    )


def build_method_adjustment(
    method: Method,
    config: RecipeConfig,
    model: CausalSegmenter,
    images: ImageDataset,
    progress: Watch | None = None,
) -> Adjustment:
    """Return what one method adjusts by while it is trained; nothing but for ``adjusted``."""
    if method != "adjusted":
        return Adjustment()
    return build_adjustment(config.adjustment, model, images, model.pack, progress)
