"""Each dense variant against its paper, written out plainly as full attention matrices."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from deconfound.vlm import DENSE_VARIANTS
from deconfound.vlm.dense import last_block, neighbourhood_bias
from tests.vlm.towers import VIT, VITS, images_for, vlm_of

GRID = (4, 4)


def entering_last_block(vlm, images: Tensor) -> Tensor:
    """Run open_clip itself up to its last block."""
    visual = vlm.tower.visual
    x = visual._embeds(images)
    for block in visual.transformer.resblocks[:-1]:
        x = block(x)
    return x


def plain_attention(block, x: Tensor, weights) -> Tensor:
    """Attend head by head, with the weights that ``weights(q, k)`` gives (B, L, L)."""
    heads, width = block.attn.num_heads, x.shape[-1] // block.attn.num_heads
    qkv = block.ln_1(x) @ block.attn.in_proj_weight.T + block.attn.in_proj_bias
    q, k, v = qkv.chunk(3, dim=-1)
    parts = [slice(i * width, (i + 1) * width) for i in range(heads)]
    attended = [
        weights(q[..., p] / width**0.25, k[..., p] / width**0.25) @ v[..., p] for p in parts
    ]
    return block.attn.out_proj(torch.cat(attended, dim=-1))


def softmax_of(a: Tensor, b: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    return (a @ b.transpose(1, 2) + bias).softmax(dim=-1)


def gaussian_of_distance() -> Tensor:
    """NACLIP's addition, location by location, nothing for the class token."""
    addition = torch.zeros(17, 17)
    for i in range(16):
        for j in range(16):
            distance = (i // 4 - j // 4) ** 2 + (i % 4 - j % 4) ** 2
            addition[i + 1, j + 1] = math.exp(-distance / (2 * 5.0**2))
    return addition


WEIGHTS = {
    "maskclip": lambda q, k: torch.eye(q.shape[1]).expand(len(q), -1, -1),
    "sclip": lambda q, k: softmax_of(q, q) + softmax_of(k, k),
    "clearclip": lambda q, k: softmax_of(q, q),
    "nacl": lambda q, k: softmax_of(k, k, gaussian_of_distance()),
}


@pytest.mark.parametrize("name", DENSE_VARIANTS)
def test_the_variant_is_its_paper(name):
    vlm = vlm_of(VIT, name)
    images = images_for(vlm)
    with torch.no_grad():
        x = entering_last_block(vlm, images)
        block, visual = vlm.tower.blocks()[-1], vlm.tower.visual
        y = plain_attention(block, x, WEIGHTS[name])
        if name in ("maskclip", "sclip"):  # these two keep the residual connection and the MLP
            y = x + y
            y = y + block.mlp(block.ln_2(y))
        expected = (visual.ln_post(y) @ visual.proj)[:, 1:]
        found = vlm.tower(images).dense
    torch.testing.assert_close(found.flatten(2).transpose(1, 2), expected)


def test_maskclip_is_the_trained_block_where_every_token_attends_to_itself():
    vlm = vlm_of(VIT)
    images = images_for(vlm)
    itself = torch.full((17, 17), float("-inf")).fill_diagonal_(0.0)
    with torch.no_grad():
        x = entering_last_block(vlm, images)
        block = vlm.tower.blocks()[-1]
        found = last_block(block, x, DENSE_VARIANTS["maskclip"], GRID)
        torch.testing.assert_close(found, block(x, attn_mask=itself)[:, 1:])


def test_custom_blocks_are_followed_part_by_part():
    vlm = vlm_of(VITS["custom blocks"])
    images = images_for(vlm)
    itself = torch.full((17, 17), float("-inf")).fill_diagonal_(0.0)
    with torch.no_grad():
        torch.nn.init.uniform_(vlm.tower.blocks()[-1].attn.head_scale, 0.5, 2.0)
        x = entering_last_block(vlm, images)
        block = vlm.tower.blocks()[-1]
        found = last_block(block, x, DENSE_VARIANTS["maskclip"], GRID)
        torch.testing.assert_close(found, block(x, attn_mask=itself)[:, 1:])


def test_query_norms_reach_the_attention_of_a_variant():
    vlm = vlm_of({**VIT, "qk_norm": True})
    block, x = vlm.tower.blocks()[-1], torch.randn(1, 17, 32)
    before = last_block(block, x, DENSE_VARIANTS["clearclip"], GRID)
    with torch.no_grad():
        block.attn.ln_q.weight.mul_(3.0)
    assert not torch.allclose(last_block(block, x, DENSE_VARIANTS["clearclip"], GRID), before)


def test_layer_scale_scales_what_attention_adds():
    vlm = vlm_of({**VIT, "ls_init_value": 0.0})
    x = torch.randn(1, 17, 32)
    found = last_block(vlm.tower.blocks()[-1], x, DENSE_VARIANTS["maskclip"], GRID)
    torch.testing.assert_close(found, x[:, 1:])


@pytest.mark.parametrize("name", ["clearclip", "nacl"])
def test_without_the_residual_a_locations_own_input_counts_only_through_attention(name):
    assert not DENSE_VARIANTS[name].residual
    assert not DENSE_VARIANTS[name].mlp
    vlm = vlm_of(VIT, name)
    block = vlm.tower.blocks()[-1]
    with torch.no_grad():
        block.attn.out_proj.weight.zero_()
        block.attn.out_proj.bias.zero_()
        found = last_block(block, torch.randn(1, 17, 32), DENSE_VARIANTS[name], GRID)
    assert (found == 0).all()


@given(st.integers(1, 6), st.integers(1, 6))
def test_the_neighbourhood_is_symmetric_one_at_home_and_nothing_for_the_class_token(h, w):
    bias = neighbourhood_bias((h, w))
    assert bias.shape == (h * w, 1 + h * w)
    assert (bias[:, 0] == 0).all()
    spatial = bias[:, 1:]
    torch.testing.assert_close(spatial, spatial.T)
    torch.testing.assert_close(spatial.diagonal(), torch.ones(h * w))
    assert (spatial <= 1).all()


def test_the_variants_differ():
    vlm = vlm_of(VIT)
    images = images_for(vlm)
    every = ("native", *DENSE_VARIANTS)
    maps = {name: vlm.with_dense(name).tower(images).dense for name in every}
    for a in every:
        for b in every:
            same = F.mse_loss(maps[a], maps[b]) < 1e-8
            assert same == (a == b)
