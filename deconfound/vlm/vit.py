"""open_clip's own vision transformers: OpenAI, LAION, DataComp, CLIPA and CoCa towers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deconfound.errors import ConfigurationError
from deconfound.types import VisualFeatures
from deconfound.vlm.dense import DENSE_VARIANTS, last_block
from deconfound.vlm.positions import resize_positions
from deconfound.vlm.tower import VisionTower, evenly


class ViTTower(VisionTower):
    """A `VisionTransformer` of open_clip.

    The blocks run once; the last one runs natively for the pooled embedding and, unless the dense
    variant is ``"native"``, once more in the variant's way for the dense features. ``"auto"`` reads
    patch tokens natively where training aligned them with text through the pooling (average
    pooling, or an attentional pooler, whose value path is then followed for each location), and by
    ``"maskclip"`` where a class token alone was aligned (docs/decisions.md).

    Patch dropout, a device of contrastive pre-training, is never applied: every location is needed.

    Stages are four maps (B, width, h, w), the hidden tokens after evenly spaced blocks.
    """

    visual_class = "VisionTransformer"
    dense_choices = ("native", *DENSE_VARIANTS)

    def __init__(self, visual: Any, spec: Mapping[str, Any]) -> None:
        _refuse_what_has_no_joint_space(visual)
        super().__init__(visual, spec)
        patch_height, patch_width = visual.patch_size
        if patch_height != patch_width:
            raise ConfigurationError(
                f"vision tower {spec['name']}: expected square patches, got {visual.patch_size}"
            )
        self.multiple = self.patch_size = int(patch_height)
        self.image_size = tuple(visual.image_size)
        self.stage_blocks = evenly(len(visual.transformer.resblocks), 4)
        self.stage_channels = (int(visual.conv1.out_channels),) * 4

    @property
    def class_pool(self) -> bool:
        """Whether the image embedding is read from the class token alone."""
        return self.visual.attn_pool is None and self.visual.pool_type == "tok"

    def auto_dense(self) -> str:
        """Return ``"native"`` where patch tokens are pooled, ``"maskclip"`` for a class token."""
        return "maskclip" if self.class_pool else "native"

    def features(self, images: Tensor) -> VisualFeatures:
        """Read images whose sides are multiples of the patch size; see `VisionTower.forward`."""
        x, grid = self._embed(images)
        hidden = {}
        for i, block in enumerate(self.blocks()):
            entering, x = x, block(x)
            if i in self.stage_blocks:
                hidden[i] = x
        dense = self._project(self._locations(entering, x, grid))
        stages = tuple(_to_map(hidden[i][:, 1:], grid) for i in self.stage_blocks)
        return VisualFeatures(_to_map(dense, grid), self._pool(x), stages)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the residual attention blocks."""
        return self.visual.transformer.resblocks

    def head(self) -> Sequence[nn.Module | nn.Parameter]:
        """Return the final norm, the attentional pooler if there is one, and the projection."""
        parts = (self.visual.attn_pool, self.visual.ln_post, self.visual.proj)
        return [part for part in parts if part is not None]

    def fixed_parameters(self) -> Sequence[nn.Parameter]:
        """Return the sine-cosine position embedding, where that is the kind in use."""
        fixed = self._spec["vision_cfg"].get("pos_embed_type") == "sin_cos_2d"
        return (self.visual.positional_embedding,) if fixed else ()

    def _embed(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Turn images into tokens (B, 1 + h·w, c), class token first, and their grid (h, w)."""
        visual = self.visual
        patches = visual.conv1(images)
        grid = (int(patches.shape[-2]), int(patches.shape[-1]))
        patches = patches.flatten(2).transpose(1, 2)
        token = visual.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
        positions = resize_positions(visual.positional_embedding, visual.grid_size, grid)
        tokens = torch.cat([token, patches], dim=1) + positions.to(patches.dtype)
        return visual.ln_pre(tokens), grid

    def _locations(self, entering: Tensor, leaving: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return the last block's tokens of the locations (B, h·w, c), by the dense variant."""
        if self.dense == "native":
            return leaving[:, 1:]
        return last_block(self.blocks()[-1], entering, DENSE_VARIANTS[self.dense], grid)

    def _project(self, tokens: Tensor) -> Tensor:
        """Bring tokens (B, L, c) to the joint space (B, L, d), each on its own."""
        if self.visual.attn_pool is not None:
            tokens = _values(self.visual.attn_pool, tokens)
        tokens = self.visual.ln_post(tokens)
        return tokens if self.visual.proj is None else tokens @ self.visual.proj

    def _pool(self, x: Tensor) -> Tensor:
        """Pool the last block's tokens (B, 1 + h·w, c) to (B, d) as open_clip does."""
        visual = self.visual
        if visual.attn_pool is not None:
            x = visual.attn_pool(x)
        norm_last = visual.final_ln_after_pool and visual.attn_pool is None
        x = x if norm_last else visual.ln_post(x)
        x = x[:, 1:].mean(dim=1) if visual.pool_type == "avg" else x[:, 0]
        x = visual.ln_post(x) if norm_last else x
        return x if visual.proj is None else x @ visual.proj


def _to_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Turn tokens (B, h·w, c) into a map (B, c, h, w)."""
    return tokens.transpose(1, 2).unflatten(2, grid)


def _values(pooler: Any, tokens: Tensor) -> Tensor:
    """Return what an attentional pooler would give if it attended to one token alone.

    Args:
        pooler: open_clip's `AttentionalPooler`.
        tokens: (B, L, c).

    Returns:
        (B, L, c'), for each token its value through the output projection.
    """
    attention = pooler.attn
    width = attention.embed_dim
    weight = attention.v_proj_weight
    if weight is None:  # one packed matrix where keys and values are as wide as the queries
        weight = attention.in_proj_weight[2 * width :]
    values = F.linear(pooler.ln_k(tokens), weight, attention.in_proj_bias[2 * width :])
    return attention.out_proj(values)


def _refuse_what_has_no_joint_space(visual: Any) -> None:
    if getattr(visual, "attn_pool_contrastive", None) is not None:
        raise ConfigurationError(
            f"attentional_pool={visual.attn_pool_type!r} pools with two poolers, so a location "
            f"alone has no place in the joint space; use a tower with one pooler or none"
        )
    if visual.pool_type not in ("tok", "avg"):
        raise ConfigurationError(
            f"pool_type={visual.pool_type!r} gives no image embedding; expected 'tok' or 'avg'"
        )
    if getattr(visual.transformer.resblocks[-1].attn, "logit_scale", None) is not None:
        raise ConfigurationError(
            "scaled_cosine_attn has no dense variant in the literature; use a tower without it"
        )
