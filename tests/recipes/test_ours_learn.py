"""Our own methods learn, as every rival must (`deconfound.testing.RivalContract`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils.data import default_collate

from deconfound import CausalSegmenter
from deconfound.packs import PromptPack
from deconfound.training import RunFolder, launch
from deconfound.training.loading import ImageDataset
from recipes.endoscopy_mcdrl.cohort import assemble
from recipes.endoscopy_mcdrl.config import RecipeConfig
from recipes.endoscopy_mcdrl.methods import build_model, build_training, configured, grid_of

GAIN = 0.3
"""By how much Dice rises on the pictures that are trained on."""

SMALL: dict[str, Any] = {
    **{"epochs": 4, "image_size": 64, "images_per_site": 8, "batch_size": 4, "lr": 3e-3},
    **{"decoder": "FPN", "augment": False, "intervention_start": 0.0},
}


@pytest.mark.filterwarnings("ignore:merge='replace' is the literal equation")
@pytest.mark.parametrize("method", ["mcdrl", "mcdrl_literal", "adjusted"])
def test_it_learns(method, tmp_path):
    """A few pictures are learned: Dice rises, and L_seg falls."""
    asked = RecipeConfig(**SMALL)
    setting = grid_of(method, asked)[0]
    config = configured(method, asked, setting)
    pack = PromptPack.load(config.pack)
    cohort = assemble(config, pack, lambda done, total: None)
    model = build_model(method, config, pack, setting)
    cohort = replace(cohort, validation=cohort.train)  # what is learned, not what is generalised
    run, fabric = RunFolder.create(tmp_path / "run", {}), launch(config)
    training = build_training(method, config, model, cohort, run, fabric, setting)
    adjustment = training.prepare()
    before = dice(model, cohort.train)
    history = training.train(adjustment)
    after, seg = dice(model, cohort.train), history.curve("seg")
    assert after > before + GAIN, f"Dice was {before:.3f}, and is {after:.3f}"
    assert seg[-1] < seg[0] / 2


@torch.no_grad()
def dice(model: CausalSegmenter, pictures: ImageDataset) -> float:
    """Return the Dice coefficient over all pixels of the pictures."""
    batch = default_collate([pictures[row] for row in range(len(pictures))])
    found = model.eval()(model.normalize(batch["image"]))[:, 0] > 0
    lesion = batch["mask"] > 0
    return float(2 * (found & lesion).sum() / (found.sum() + lesion.sum()))
