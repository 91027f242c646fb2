"""The split of the deepest level: what is handed on, what the loss may ask for, and how often."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from deconfound.encoders.level_interventions import ContentStyle, level_interventions
from deconfound.errors import ConfigurationError, ShapeError

CHANNELS = (3, 4, 6)


def pyramid() -> list[torch.Tensor]:
    return [torch.randn(2, c, 8 >> i, 8 >> i) for i, c in enumerate(CHANNELS)]


def test_it_begins_as_the_identity() -> None:
    maps = pyramid()
    assert all(torch.equal(a, b) for a, b in zip(ContentStyle(CHANNELS)(maps), maps, strict=True))


def test_content_is_handed_on_and_style_is_not() -> None:
    layer, maps = ContentStyle(CHANNELS), pyramid()
    torch.nn.init.normal_(layer.content.weight)
    changed = layer(maps)
    content, style = layer.take_parts()
    assert torch.equal(changed[-1], content)
    torch.testing.assert_close(
        style, torch.einsum("oc,bchw->bohw", layer.style.weight[:, :, 0, 0], maps[-1])
    )
    with torch.no_grad():
        layer.style.weight.add_(1)
    assert all(torch.equal(a, b) for a, b in zip(layer(maps), changed, strict=True))


def test_parts_are_taken_once() -> None:
    layer = ContentStyle(CHANNELS)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="expected a batch to have gone through"):
            layer.take_parts()
        layer(pyramid())
        layer.take_parts()


def test_a_copy_in_the_middle_of_a_step_has_seen_no_batch() -> None:
    layer = ContentStyle(CHANNELS)
    layer(pyramid())
    again = copy.deepcopy(layer)
    with pytest.raises(ConfigurationError, match="found none"):
        again.take_parts()
    assert layer.take_parts().style.requires_grad


def test_it_can_be_built_again_from_its_options() -> None:
    layer, maps = ContentStyle(CHANNELS), pyramid()
    torch.nn.init.normal_(layer.content.weight)
    spec = json.loads(json.dumps({"name": level_interventions.name_of(layer), **layer.options()}))
    again = level_interventions.build(spec, allowed=(1, 2))
    again.load_state_dict(layer.state_dict())
    assert torch.equal(again(maps)[-1], layer(maps)[-1])


def test_every_mistake_is_one_sentence() -> None:
    with pytest.raises(ConfigurationError, match="among those the decoder reads, \\[1\\]"):
        ContentStyle(CHANNELS, allowed=(1,))
    with pytest.raises(ShapeError, match="content and style: expected level 2 with 6 channels"):
        ContentStyle(CHANNELS)(pyramid()[:2])
