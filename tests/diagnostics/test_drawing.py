"""do(z = m) by the pack's operations: drawn where it can be, and never moving the lesion."""

from __future__ import annotations

import pytest
import torch

from deconfound import PromptPack
from deconfound.diagnostics import counterfactual_masks, drawn, measure
from deconfound.errors import ConfigurationError, UnknownNameError

PACK = PromptPack.load("endoscopy")


def of(name: str, images: torch.Tensor) -> torch.Tensor:
    return drawn(PACK)[PACK.confounder_names.index(name)](images)


def test_what_is_drawn_can_be_measured(images) -> None:
    images = images * torch.tensor([0.9, 0.5, 0.4])[:, None, None]  # the colour of tissue
    bare = measure(images)
    assert (measure(of("dark", images))["luminance"] < bare["luminance"]).all()
    assert (measure(of("bright", images))["luminance"] > bare["luminance"]).all()
    assert (measure(of("blur", images))["sharpness"] < bare["sharpness"]).all()
    assert (measure(of("nbi", images))["coolness"] > bare["coolness"]).all()


def test_what_moves_the_lesion_is_left_out_and_all_else_is_drawn(images) -> None:
    do = drawn(PACK)
    left_out = {name for m, name in enumerate(PACK.confounder_names) if m not in do}
    assert left_out == {"near_view", "far_view"}
    assert not any(torch.equal(draw(images), images) for draw in do.values())


def test_what_nothing_draws_is_left_out_and_a_typo_is_told() -> None:
    mapping = PACK.to_mapping()
    mapping["groups"] = mapping["groups"][:1]
    first = mapping["groups"][0]["confounders"][0]
    first |= {"name": "wobble", "text": "an unheard-of wobble", "render": None}
    assert 0 not in drawn(PromptPack.from_mapping(mapping))
    first["render"] = "blurr"
    with pytest.raises(UnknownNameError, match="did you mean blur"):
        drawn(PromptPack.from_mapping(mapping))


def test_every_call_draws_the_same(images) -> None:
    for draw in drawn(PACK).values():
        assert torch.equal(draw(images), draw(images))


def test_masks_spread_over_what_is_drawn_alone(build, images) -> None:
    found = counterfactual_masks(build("identity"), images, drawn(PACK))
    assert set(found.names) == {*PACK.confounder_names} - {"near_view", "far_view"}
    assert found.spread.max() > 1e-4


@pytest.mark.parametrize("strength", [0, 1.5, float("nan")])
def test_a_strength_that_is_none(strength) -> None:
    with pytest.raises(ConfigurationError, match=r"must lie in \(0, 1\], found"):
        drawn(PACK, strength)
