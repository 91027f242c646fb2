"""open_clip's modified ResNets: RN50, RN101, RN50x4 and their larger kin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deconfound.types import VisualFeatures
from deconfound.vlm.positions import resize_positions
from deconfound.vlm.tower import VisionTower


class ResNetTower(VisionTower):
    """A `ModifiedResNet` of open_clip.

    Dense features are the attention pool's value path at each location, ``c_proj(v_proj(layer4))``
    as 1×1 convolutions: what the pool would give if it attended to that location alone (MaskCLIP,
    arXiv 2112.01071). Raw layer4 is not in the joint space.

    Stages are the stem before its pooling and layer1 … layer4, at strides 2, 4, 8, 16, 32.
    """

    visual_class = "ModifiedResNet"
    dense_choices = ("maskclip",)
    pyramid_kind = "resnet"

    def __init__(self, visual: Any, spec: Mapping[str, Any]) -> None:
        super().__init__(visual, spec)
        size = visual.image_size
        self.image_size = (size, size) if isinstance(size, int) else tuple(size)
        self.multiple = 32
        width = int(visual.conv3.out_channels)
        self.stage_channels = (width, 4 * width, 8 * width, 16 * width, 32 * width)

    def features(self, images: Tensor) -> VisualFeatures:
        """Read images whose sides are multiples of 32; see `VisionTower.forward`."""
        visual = self.visual
        x = visual.act1(visual.bn1(visual.conv1(images)))
        x = visual.act2(visual.bn2(visual.conv2(x)))
        x = visual.act3(visual.bn3(visual.conv3(x)))
        stages = [x]
        x = visual.avgpool(x)
        for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
            x = layer(x)
            stages.append(x)
        return VisualFeatures(self._locations(x), self._pool(x), tuple(stages))

    def blocks(self) -> Sequence[nn.Module]:
        """Return the bottlenecks of the four layers."""
        visual = self.visual
        return [*visual.layer1, *visual.layer2, *visual.layer3, *visual.layer4]

    def head(self) -> Sequence[nn.Module | nn.Parameter]:
        """Return the attention pool."""
        return [self.visual.attnpool]

    def _locations(self, x: Tensor) -> Tensor:
        """Bring layer4 (B, c, h, w) to the joint space (B, d, h, w)."""
        pool = self.visual.attnpool
        values = F.conv2d(x, pool.v_proj.weight[:, :, None, None], pool.v_proj.bias)
        return F.conv2d(values, pool.c_proj.weight[:, :, None, None], pool.c_proj.bias)

    def _pool(self, x: Tensor) -> Tensor:
        """Pool layer4 (B, c, h, w) to (B, d): their mean attends to itself and every location."""
        pool = self.visual.attnpool
        grid = (int(x.shape[-2]), int(x.shape[-1]))
        tokens = x.flatten(2).transpose(1, 2)
        tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)
        side = self.image_size[0] // 32
        positions = resize_positions(pool.positional_embedding, (side, side), grid)
        tokens = tokens + positions.to(tokens.dtype)
        q, k, v = (
            projection(part).unflatten(2, (pool.num_heads, -1)).transpose(1, 2)
            for projection, part in (
                (pool.q_proj, tokens[:, :1]),
                (pool.k_proj, tokens),
                (pool.v_proj, tokens),
            )
        )
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return pool.c_proj(attended[:, 0])
