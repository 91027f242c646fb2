"""How the last transformer block gives features of every location, as a table of variants.

A CLIP tower is trained only through its pooled embedding, so the last block's own patch tokens
need not lie in the joint space: each variant changes what that block attends to, and whether its
residual connection and MLP stay. `ln_post` and `proj` follow all of them (docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GAUSSIAN_STD = 5.0
"""Standard deviation of NACLIP's neighbourhood in patches, its paper's setting."""

Attend = Callable[[Tensor, Tensor, Tensor, tuple[int, int]], Tensor]


@dataclass(frozen=True, slots=True)
class DenseVariant:
    """One way to read locations from the last block.

    Attributes:
        attend: from queries, keys and values (B, heads, 1 + h·w, c), class token first, and the
            grid (h, w), to the attended values of the h·w locations (B, heads, h·w, c).
        residual: whether the block's input is added to the attention's output.
        mlp: whether the block's MLP follows.
        source: where the variant was proposed.
    """

    attend: Attend
    residual: bool
    mlp: bool
    source: str


def _own_value(q: Tensor, k: Tensor, v: Tensor, grid: tuple[int, int]) -> Tensor:
    return v[:, :, 1:]


def _correlative(q: Tensor, k: Tensor, v: Tensor, grid: tuple[int, int]) -> Tensor:
    attend = F.scaled_dot_product_attention
    return attend(q[:, :, 1:], q, v) + attend(k[:, :, 1:], k, v)


def _query_query(q: Tensor, k: Tensor, v: Tensor, grid: tuple[int, int]) -> Tensor:
    return F.scaled_dot_product_attention(q[:, :, 1:], q, v)


def _neighbourhood(q: Tensor, k: Tensor, v: Tensor, grid: tuple[int, int]) -> Tensor:
    bias = neighbourhood_bias(grid, device=k.device).to(k.dtype)
    return F.scaled_dot_product_attention(k[:, :, 1:], k, v, attn_mask=bias)


def neighbourhood_bias(
    grid: tuple[int, int], std: float = GAUSSIAN_STD, device: torch.device | None = None
) -> Tensor:
    """Return what NACLIP adds to the attention logits: a Gaussian of the distance in the grid.

    Args:
        grid: (h, w).
        std: standard deviation in patches.
        device: where to build it.

    Returns:
        (h·w, 1 + h·w), exp(-distance² / 2 std²); the column of the class token is zero.
    """
    rows, columns = (torch.arange(n, dtype=torch.float32, device=device) for n in grid)
    along_y = torch.exp(-((rows[:, None] - rows) ** 2) / (2 * std**2))
    along_x = torch.exp(-((columns[:, None] - columns) ** 2) / (2 * std**2))
    return F.pad(torch.kron(along_y, along_x), (1, 0))


DENSE_VARIANTS: Mapping[str, DenseVariant] = MappingProxyType(
    {
        "maskclip": DenseVariant(
            _own_value, True, True, "MaskCLIP, arXiv 2112.01071, its ViT form"
        ),
        "sclip": DenseVariant(_correlative, True, True, "SCLIP, arXiv 2312.01597"),
        "clearclip": DenseVariant(_query_query, False, False, "ClearCLIP, arXiv 2407.12442"),
        "nacl": DenseVariant(_neighbourhood, False, False, "NACLIP, arXiv 2404.08181"),
    }
)
"""The variants by name; besides them `native` reads the block's patch tokens as they are."""


def last_block(block: Any, tokens: Tensor, variant: DenseVariant, grid: tuple[int, int]) -> Tensor:
    """Run an open_clip residual attention block in the way of ``variant``.

    Args:
        block: `ResidualAttentionBlock` or `CustomResidualAttentionBlock`.
        tokens: (B, 1 + h·w, c), what enters the block, class token first.
        variant: an entry of `DENSE_VARIANTS`.
        grid: (h, w).

    Returns:
        (B, h·w, c), the tokens of the locations.
    """
    q, k, v = _split_heads(block.attn, block.ln_1(tokens))
    attended = _join_heads(block.attn, variant.attend(q, k, v, grid))
    x = block.ls_1(_optional(block, "ln_attn")(attended))
    if variant.residual:
        x = tokens[:, 1:] + x
    if variant.mlp:
        x = x + block.ls_2(block.mlp(block.ln_2(x)))
    return x


def _split_heads(attention: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Project (B, L, c) to queries, keys and values (B, heads, L, c / heads)."""
    batch, length, width = x.shape
    heads = attention.num_heads
    qkv = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    q, k, v = qkv.reshape(batch, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    return _optional(attention, "ln_q")(q), _optional(attention, "ln_k")(k), v


def _join_heads(attention: Any, x: Tensor) -> Tensor:
    """Turn (B, heads, L, c / heads) into (B, L, c) as the attention layer itself would."""
    scale = getattr(attention, "head_scale", None)
    x = x if scale is None else x * scale
    x = x.transpose(1, 2).flatten(2)
    return attention.out_proj(_optional(attention, "ln_inner")(x))


def _optional(module: Any, name: str) -> Callable[[Tensor], Tensor]:
    """Return a norm that only open_clip's custom blocks have, or the identity."""
    return getattr(module, name, nn.Identity())
