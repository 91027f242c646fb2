"""The models that are compared: plain training and MCDRL, alike in all but the method."""

from __future__ import annotations

from typing import Any

import torch

from deconfound import CausalLoss, CausalSegmenter
from deconfound.packs import PromptPack

from .config import Method, RecipeConfig

TITLES: dict[Method, str] = {"baseline": "Baseline", "mcdrl": "MCDRL"}


def build_model(method: Method, config: RecipeConfig, pack: PromptPack) -> CausalSegmenter:
    """Build the segmenter of one method; the same seed gives both the same decoder.

    The baseline keeps tower, decoder and the text-aligned map that joins the pyramid; it has
    neither selection nor intervention.
    """
    torch.manual_seed(config.seed)
    parts: dict[str, Any] = {"selector": "all", "intervention": "identity"}
    if method == "mcdrl":
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
    mcdrl = method == "mcdrl"
    return CausalLoss(
        model.prompts,
        segmentation=config.segmentation_loss,
        lambda_causal=config.lambda_causal if mcdrl else 0.0,
        lambda_contrast=config.lambda_contrast if mcdrl else 0.0,
        temperature=config.tau,
    )
