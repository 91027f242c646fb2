"""Towers whose trunk is a timm model: SigLIP, EVA, ConvNeXt, MobileCLIP, ViTamin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any, Self

import torch
from torch import Tensor, nn

from deconfound.errors import ConfigurationError
from deconfound.types import VisualFeatures
from deconfound.vlm.tower import VisionTower, evenly

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

    The dense variant is ``"native"``, or ``"maskclip"`` (the last block once more, each location
    attending to itself alone), which ``"auto"`` takes where a class token alone was aligned with
    text (EVA, MobileCLIP-B).
    """

    visual_class = "TimmModel"
    dense_choices = ("native", "maskclip")

    def __init__(self, visual: Any, spec: Mapping[str, Any]) -> None:
        super().__init__(visual, spec)
        trunk, self._blocks_name = visual.trunk, _blocks_name(visual.trunk, spec["name"])
        _refuse_what_cannot_be_projected(visual, spec["name"])
        if self.dense == "maskclip" and not _can_mask(trunk):
            raise ConfigurationError(
                f"vision tower {spec['name']}: the blocks of timm trunk {type(trunk).__name__} "
                f"take no attention mask, so dense='maskclip' is not possible; use 'native'"
            )
        height, width = visual.image_size
        self.image_size = (int(height), int(width))
        info = trunk.feature_info
        self._is_tokens = self._blocks_name == "blocks"
        self.stage_blocks = evenly(len(self.blocks()), 4)
        self.stage_channels = tuple(int(info[i]["num_chs"]) for i in self.stage_blocks)
        self.multiple = int(info[-1]["reduction"])
        self._any_size = self._blocks_name == "stages"

    def auto_dense(self) -> str:
        """Return ``"maskclip"`` where a class token alone was aligned and the trunk allows it."""
        trunk = self.visual.trunk
        class_pool = getattr(trunk, "global_pool", None) == "token"
        return "maskclip" if class_pool and _can_mask(trunk) else "native"

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the nearest size that the trunk takes: see the class."""
        return super().input_size(height, width) if self._any_size else self.image_size

    def features(self, images: Tensor) -> VisualFeatures:
        """Read images of a size the trunk takes; see `VisionTower.forward`."""
        wanted = sorted({*self.stage_blocks, max(0, self.num_blocks - 2)})
        final, hidden = self.visual.trunk.forward_intermediates(images, indices=wanted)
        by_block = dict(zip(wanted, hidden, strict=True))
        stages = tuple(by_block[i] for i in self.stage_blocks)
        pooled = self.visual.head(self.visual.trunk.forward_head(final))
        grid = self.grid_size(*images.shape[-2:])
        if self.dense == "maskclip":
            dense = self._tokens(self._attending_to_itself(by_block[self.num_blocks - 2]))
        elif self._is_tokens:
            dense = self._tokens(final[:, self.visual.trunk.num_prefix_tokens :])
        else:
            dense = self._cells(final)
        return VisualFeatures(dense.transpose(1, 2).unflatten(2, grid), pooled, stages)

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

    def _attending_to_itself(self, entering: Tensor) -> Tensor:
        """Run the last block and norm over a map (B, c, h, w), each location alone: (B, h·w, c).

        Rotary positions would turn queries and keys, which do not count here.
        """
        tokens = entering.flatten(2).transpose(1, 2)
        length = tokens.shape[1]
        itself = torch.full((length, length), float("-inf"), device=tokens.device)
        mask = itself.fill_diagonal_(0.0).to(tokens.dtype)
        return self.visual.trunk.norm(self.blocks()[-1](tokens, attn_mask=mask))

    def _tokens(self, tokens: Tensor) -> Tensor:
        """Bring the tokens of locations (B, L, c) to the joint space (B, L, d), each on its own."""
        trunk = self.visual.trunk
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


def _blocks_name(trunk: Any, name: str) -> str:
    for candidate in BLOCKS:
        if isinstance(getattr(trunk, candidate, None), (nn.Sequential, nn.ModuleList)):
            return candidate
    raise ConfigurationError(
        f"vision tower {name}: timm trunk {type(trunk).__name__} has none of {', '.join(BLOCKS)}, "
        f"so its hidden maps cannot be read"
    )


def _can_mask(trunk: Any) -> bool:
    """Return whether the trunk is of blocks, two at least, that take an attention mask."""
    blocks: Any = getattr(trunk, "blocks", ())
    return len(blocks) > 1 and "attn_mask" in signature(blocks[-1].forward).parameters


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
