"""Towers whose trunk is a timm model: SigLIP, EVA, ConvNeXt, MobileCLIP, ViTamin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import Tensor, nn

from deconfound.errors import ConfigurationError
from deconfound.types import VisualFeatures
from deconfound.vlm.tower import VisionTower

BLOCKS = ("blocks", "stages", "layers")


class TimmTower(VisionTower):
    """A `TimmModel` of open_clip: a timm trunk, then open_clip's projection.

    Dense features are what the trunk's own head and the projection give at each location alone: a
    token through norm and projection, through an attention pooler that sees only it (its weight is
    then one, so this is the pooler's value path), or a 1×1 map through a convolutional head.

    Trunks of tokens keep the image size they were trained at, to which images are resampled;
    convolutional trunks take any multiple of 32.

    Stages are four hidden maps: after evenly spaced blocks of equal resolution, or the four stages
    of a trunk that has them.

    Where a class token alone was aligned with text (EVA, MobileCLIP-B), patch tokens read in this
    way are only near the joint space; prefer an open_clip tower there, which has other variants.
    """

    visual_class = "TimmModel"
    dense_choices = ("native",)

    def __init__(self, visual: Any, spec: Mapping[str, Any]) -> None:
        super().__init__(visual, spec)
        trunk, self._blocks_name = visual.trunk, _blocks_name(visual.trunk, spec["name"])
        _refuse_what_cannot_be_projected(visual, spec["name"])
        height, width = visual.image_size
        self.image_size = (int(height), int(width))
        info = trunk.feature_info
        self._is_tokens = self._blocks_name == "blocks"
        self.stage_blocks = _evenly(len(self.blocks()), 4)
        self.stage_channels = tuple(int(info[i]["num_chs"]) for i in self.stage_blocks)
        self.multiple = int(info[-1]["reduction"])
        self._any_size = self._blocks_name == "stages"
        self.class_pool = getattr(trunk, "global_pool", None) == "token"

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the nearest size that the trunk takes: see the class."""
        return super().input_size(height, width) if self._any_size else self.image_size

    def features(self, images: Tensor) -> VisualFeatures:
        """Read images of a size the trunk takes; see `VisionTower.forward`."""
        wanted = sorted(set(self.stage_blocks))
        final, hidden = self.visual.trunk.forward_intermediates(images, indices=wanted)
        by_block = dict(zip(wanted, hidden, strict=True))
        stages = tuple(by_block[i] for i in self.stage_blocks)
        pooled = self.visual.head(self.visual.trunk.forward_head(final))
        grid = self.grid_size(*images.shape[-2:])
        tokens = self._tokens(final) if self._is_tokens else self._cells(final)
        return VisualFeatures(tokens.transpose(1, 2).unflatten(2, grid), pooled, stages)

    def train(self, mode: bool = True) -> Self:
        """Set training mode; patches are never dropped, because every location is needed."""
        super().train(mode)
        if isinstance(getattr(self.visual.trunk, "patch_drop", None), nn.Module):
            self.visual.trunk.patch_drop.eval()
        return self

    def blocks(self) -> Sequence[nn.Module]:
        """Return the trunk's blocks, or its stages where it is built of those."""
        return list(getattr(self.visual.trunk, self._blocks_name))

    def head(self) -> Sequence[nn.Module | nn.Parameter]:
        """Return what comes after the blocks in the trunk, and open_clip's projection."""
        children = list(self.visual.trunk.named_children())
        last = [name for name, _ in children].index(self._blocks_name)
        return [*(child for _, child in children[last + 1 :]), self.visual.head]

    def _tokens(self, final: Tensor) -> Tensor:
        """Bring tokens (B, prefix + L, c) to the joint space (B, L, d), each on its own."""
        trunk = self.visual.trunk
        tokens = final[:, trunk.num_prefix_tokens :]
        pooler = getattr(trunk, "attn_pool", None)
        if pooler is not None:
            alone = pooler(tokens.reshape(-1, 1, tokens.shape[-1]))
            tokens = alone.reshape(*tokens.shape[:2], -1)
        return self.visual.head(trunk.head(trunk.fc_norm(tokens)))

    def _cells(self, final: Tensor) -> Tensor:
        """Bring a map (B, c, h, w) to the joint space (B, h·w, d), each location an own image."""
        trunk = self.visual.trunk
        channels_last = getattr(trunk, "output_fmt", "NCHW") == "NHWC"
        cells = final.flatten(1, 2) if channels_last else final.flatten(2).transpose(1, 2)
        shape = (-1, 1, 1, cells.shape[-1]) if channels_last else (-1, cells.shape[-1], 1, 1)
        projected = self.visual.head(trunk.forward_head(cells.reshape(shape)))
        return projected.reshape(*cells.shape[:2], -1)


def _evenly(depth: int, parts: int) -> tuple[int, ...]:
    """Return the last index of each of ``parts`` even shares of ``depth`` blocks."""
    return tuple(math.ceil(depth * k / parts) - 1 for k in range(1, parts + 1))


def _blocks_name(trunk: Any, name: str) -> str:
    for candidate in BLOCKS:
        if isinstance(getattr(trunk, candidate, None), (nn.Sequential, nn.ModuleList)):
            return candidate
    raise ConfigurationError(
        f"vision tower {name}: timm trunk {type(trunk).__name__} has none of {', '.join(BLOCKS)}, "
        f"so its hidden maps cannot be read"
    )


def _refuse_what_cannot_be_projected(visual: Any, name: str) -> None:
    trunk = visual.trunk
    if not hasattr(trunk, "forward_intermediates"):
        raise ConfigurationError(
            f"vision tower {name}: timm trunk {type(trunk).__name__} does not give its hidden maps "
            f"(forward_intermediates); use another tower or a newer timm"
        )
    if hasattr(visual.head, "pool"):
        raise ConfigurationError(
            f"vision tower {name}: {type(visual.head.pool).__name__} attends with positions of the "
            f"whole map, so a location alone has no place in the joint space; use a tower that "
            f"pools by 'avg', 'token' or 'map'"
        )
