"""Methods are compared by what they do: all of them start from the same decoder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from deconfound.packs import PromptPack
from recipes.endoscopy_mcdrl.config import RecipeConfig
from recipes.endoscopy_mcdrl.methods import build_model, method_names


def initial_decoder(method: str, weights: Path) -> dict[str, Tensor]:
    """Return the tensors of a method's decoder before the first step."""
    config = RecipeConfig(vlm=str(weights), decoder="FPN", image_size=32, heads=4, seed=3)
    model = build_model(method, config, PromptPack.load("endoscopy"))
    return dict(model.body.state_dict())


@pytest.mark.filterwarnings("ignore:merge='replace' is the literal equation")
@pytest.mark.parametrize("method", method_names())
def test_the_same_seed_gives_every_method_the_same_decoder(method, tiny_weights) -> None:
    torch.manual_seed(99)  # whatever was drawn before
    expected, found = (initial_decoder(name, tiny_weights) for name in ("baseline", method))
    assert expected.keys() <= found.keys()
    assert not [name for name in expected if not torch.equal(expected[name], found[name])]
