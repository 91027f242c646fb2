"""Frozen, partly and fully trained towers: what gradients and batch statistics reach."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch import nn

from deconfound.errors import ConfigurationError, UnknownNameError
from deconfound.vlm import VisionTower
from tests.vlm.towers import RESNET, VIT, VITS, vlm_of

TOKENS = {"timm_model_name": "test_vit", "image_size": 160, "timm_pool": "avg"}
KINDS = {"vit": VIT, "attentional": VITS["attentional"], "resnet": RESNET, "timm": TOKENS}
every_kind = pytest.mark.parametrize("kind", KINDS)


def backward(tower: VisionTower, requires_grad: bool = False) -> torch.Tensor:
    """Run one training step's backward pass over everything the tower says; return the images."""
    images = torch.randn(2, 3, *tower.image_size, requires_grad=requires_grad)
    found = tower.train()(images)
    maps = (found.dense, found.pooled, *found.stages)
    sum(each.square().sum() for each in maps if each.requires_grad).backward()
    return images


def reached(tower: VisionTower) -> set[str]:
    return {name for name, p in tower.named_parameters() if p.grad is not None}


@every_kind
def test_a_fresh_tower_is_trained_as_a_whole(kind):
    tower = vlm_of(KINDS[kind]).tower
    assert tower.trainable == "all"
    backward(tower)
    assert reached(tower) == {name for name, _ in tower.named_parameters()}


@every_kind
def test_a_frozen_tower_takes_no_gradient_and_remembers_nothing(kind):
    tower = vlm_of(KINDS[kind]).tower.set_trainable("frozen").train()
    found = tower(torch.randn(2, 3, *tower.image_size))
    assert not any(p.requires_grad for p in tower.parameters())
    assert not any(m.requires_grad for m in (found.dense, found.pooled, *found.stages))


@every_kind
def test_a_frozen_tower_passes_gradients_to_images_that_ask(kind):
    tower = vlm_of(KINDS[kind]).tower.set_trainable("frozen")
    images = backward(tower, requires_grad=True)
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert reached(tower) == set()


@every_kind
@pytest.mark.parametrize("blocks", [1, 2])
def test_the_last_blocks_and_the_head_learn_and_nothing_else(kind, blocks):
    tower = vlm_of(KINDS[kind]).tower.set_trainable(blocks)
    backward(tower)
    learning = [*tower.blocks()[-blocks:], *tower.head()]
    expected = set()
    for part in learning:
        parameters = [part] if isinstance(part, nn.Parameter) else part.parameters()
        expected |= {id(p) for p in parameters}
    names = {name for name, p in tower.named_parameters() if id(p) in expected}
    assert names
    assert reached(tower) == names
    assert {n for n, p in tower.named_parameters() if p.requires_grad} == names


def test_every_choice_can_be_taken_back():
    tower = vlm_of(VIT).tower
    before = {name: p.requires_grad for name, p in tower.named_parameters()}
    tower.set_trainable("frozen").set_trainable(1).set_trainable("all")
    assert {name: p.requires_grad for name, p in tower.named_parameters()} == before


def test_sine_cosine_positions_are_never_trained():
    tower = vlm_of(VITS["sine-cosine positions"]).tower.set_trainable("all")
    fixed = {name for name, p in tower.named_parameters() if not p.requires_grad}
    assert fixed == {"visual.positional_embedding"}


@pytest.mark.parametrize("what", ["frozen", 1, "all"])
def test_batch_statistics_change_only_where_the_tower_learns(what):
    tower = vlm_of(RESNET).tower.set_trainable(what)
    before = copy.deepcopy(dict(tower.named_buffers()))
    tower.train()(torch.randn(4, 3, 64, 64) + 1.0)
    changed = {
        name
        for name, after in tower.named_buffers()
        if name.endswith("running_mean") and not torch.equal(before[name], after)
    }
    norms = {f"{n}.running_mean" for n, m in tower.named_modules() if isinstance(m, nn.BatchNorm2d)}
    last = {name for name in norms if name.startswith("visual.layer4.0.")}
    assert changed == {"frozen": set(), 1: last, "all": norms}[what]
    assert tower.training


def test_evaluation_mode_reaches_everything():
    tower = vlm_of(RESNET).tower.set_trainable(1).train().eval()
    assert not any(module.training for module in tower.modules())


def test_a_frozen_tower_answers_alike_in_training_and_evaluation():
    tower = vlm_of(RESNET).tower.set_trainable("frozen")
    images = torch.randn(2, 3, 64, 64)
    expected = tower.eval()(images).pooled
    assert torch.equal(tower.train()(images).pooled, expected)


@pytest.mark.parametrize("what", [0, -1, 4, True])
def test_a_number_of_blocks_that_is_not_there_is_refused(what):
    with pytest.raises(ConfigurationError, match=f"expected 1 to 3, got {what}"):
        vlm_of(VIT).tower.set_trainable(what)


def test_a_mistyped_choice_is_answered_with_the_near_one():
    with pytest.raises(UnknownNameError, match="'frosen'; did you mean frozen"):
        vlm_of(VIT).tower.set_trainable("frosen")


@every_kind
def test_a_tower_is_built_again_from_its_spec_and_its_weights(kind):
    tower = vlm_of(KINDS[kind]).tower
    again = VisionTower.from_spec(json.loads(json.dumps(tower.spec))).eval()
    again.load_state_dict(tower.state_dict())
    images = torch.randn(1, 3, *tower.image_size)
    ours, theirs = tower(images), again(images)
    assert torch.equal(ours.dense, theirs.dense)
    assert torch.equal(ours.pooled, theirs.pooled)
    assert again.spec == tower.spec
    assert (again.mean, again.std, again.dense) == (tower.mean, tower.std, tower.dense)


def test_a_spec_is_a_copy():
    tower = vlm_of(VIT).tower
    tower.spec["vision_cfg"]["width"] = 7
    assert tower.spec["vision_cfg"]["width"] == 32


def test_a_spec_without_a_key_is_refused():
    spec = vlm_of(VIT).tower.spec
    del spec["mean"], spec["dense"]
    with pytest.raises(ConfigurationError, match="tower spec lacks mean, dense"):
        VisionTower.from_spec(spec)
