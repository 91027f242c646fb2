"""What every vision tower offers: features of three kinds, normalisation, partial training."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from deconfound.errors import ConfigurationError, ShapeError, unknown_name
from deconfound.types import VisualFeatures
from deconfound.vlm.positions import nearest_multiple, resample

SPEC_KEYS = ("name", "embed_dim", "vision_cfg", "quick_gelu", "mean", "std", "dense")


class VisionTower(nn.Module, ABC):
    """The image half of a vision-language model, read without hooks (docs/decisions.md).

    A subclass wraps one of open_clip's visual modules and writes its forward over that module's own
    parts. Images of any size are resampled bilinearly to the nearest size the module can take.

    Args:
        visual: open_clip's visual module.
        spec: JSON-able description from which the tower can be built again: ``name``,
            ``embed_dim``, ``vision_cfg``, ``quick_gelu``, ``mean``, ``std``, ``dense``
            (``"auto"`` is resolved).

    Attributes:
        embed_dim: d, the width of the joint image-text space.
        image_size: (H, W) the tower was trained at.
        multiple: an image side must be a multiple of this; others are resampled.
        stage_channels: channels of the maps in `VisualFeatures.stages`, shallow to deep.
        pyramid_kind: ``"resnet"`` where the stages have strides 2, 4, 8, 16, 32, else ``"vit"``.
        num_blocks: how many residual blocks `set_trainable` can count from the end.
        dense: the dense variant in use.
        mean: per channel, of the images the tower was trained on, in [0, 1].
        std: per channel, likewise.
    """

    visual_class: ClassVar[str]
    dense_choices: ClassVar[tuple[str, ...]]
    pyramid_kind: ClassVar[str] = "vit"

    _subclasses: ClassVar[list[type[VisionTower]]] = []

    visual: Any
    _mean: Tensor
    _std: Tensor
    embed_dim: int
    image_size: tuple[int, int]
    multiple: int
    stage_channels: tuple[int, ...]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        VisionTower._subclasses.append(cls)

    def __init__(self, visual: Any, spec: Mapping[str, Any]) -> None:
        super().__init__()
        self.visual = visual
        self.embed_dim = int(spec["embed_dim"])
        self.mean: tuple[float, ...] = tuple(float(m) for m in spec["mean"])
        self.std: tuple[float, ...] = tuple(float(s) for s in spec["std"])
        self.dense = self._resolve_dense(spec["dense"])
        self._spec = copy.deepcopy({key: spec[key] for key in SPEC_KEYS})
        self._spec["dense"] = self.dense
        self._trainable: str | int = "all"
        self.register_buffer("_mean", torch.tensor(self.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(self.std).view(1, 3, 1, 1), persistent=False)

    @staticmethod
    def from_visual(visual: Any, spec: Mapping[str, Any]) -> VisionTower:
        """Wrap open_clip's visual module in the tower that can read it.

        Args:
            visual: a `VisionTransformer`, `ModifiedResNet` or `TimmModel` of open_clip.
            spec: as in the class.

        Raises:
            ConfigurationError: no tower can read this kind of module.
        """
        ancestry = {cls.__name__ for cls in type(visual).__mro__}
        for cls in VisionTower._subclasses:
            if cls.visual_class in ancestry:
                return cls(visual, spec)
        known = ", ".join(cls.visual_class for cls in VisionTower._subclasses)
        raise ConfigurationError(
            f"vision tower {type(visual).__name__} cannot be read; expected one of: {known}"
        )

    @staticmethod
    def from_spec(spec: Mapping[str, Any]) -> VisionTower:
        """Build a tower with random weights, to be filled by ``load_state_dict``.

        Args:
            spec: what another tower's `spec` returned.

        Raises:
            ConfigurationError: the spec lacks a key or describes no tower.
        """
        from deconfound.vlm.architecture import build_clip

        missing = [key for key in SPEC_KEYS if key not in spec]
        if missing:
            raise ConfigurationError(f"tower spec lacks {', '.join(missing)}; take it from a tower")
        # The smallest text tower: open_clip builds a visual module only as half of a model.
        text = {"context_length": 1, "vocab_size": 1, "width": 8, "heads": 1, "layers": 1}
        keys = ("embed_dim", "vision_cfg", "quick_gelu")
        clip = build_clip({**{key: spec[key] for key in keys}, "text_cfg": text})
        return VisionTower.from_visual(clip.visual, spec)

    @property
    def spec(self) -> dict[str, Any]:
        """What `from_spec` needs to build this tower again, as plain JSON-able values."""
        return copy.deepcopy(self._spec)

    @property
    def num_blocks(self) -> int:
        """How many residual blocks the tower has."""
        return len(self.blocks())

    @property
    def trainable(self) -> str | int:
        """What `set_trainable` was last told; ``"all"`` at first."""
        return self._trainable

    def with_dense(self, dense: str) -> VisionTower:
        """Return a tower over the same visual module (shared, not copied) with another variant."""
        other = type(self)(self.visual, {**self._spec, "dense": dense})
        other._trainable = self._trainable
        return other.train(self.training)

    def normalize(self, images: Tensor) -> Tensor:
        """Bring images (B, 3, H, W) in [0, 1] to the statistics the tower was trained on."""
        return (images - self._mean) / self._std

    def grid_size(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w), the size of the dense map for images of (height, width)."""
        height, width = self.input_size(height, width)
        return height // self.multiple, width // self.multiple

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the size to which images of (height, width) are resampled inside."""
        return nearest_multiple(height, self.multiple), nearest_multiple(width, self.multiple)

    def forward(self, images: Tensor) -> VisualFeatures:
        """Read a batch of normalised images.

        Args:
            images: (B, 3, H, W), normalised as `normalize` does, of any size.

        Returns:
            `VisualFeatures`: dense (B, d, h, w) in the joint space, pooled (B, d) as open_clip
            encodes the image (resampled if its size does not fit), and the stages.

        Raises:
            ShapeError: the images are not (B, 3, H, W).
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise ShapeError(
                f"{type(self).__name__} expects images (B, 3, H, W), got {tuple(images.shape)}"
            )
        # A frozen tower remembers nothing for a backward pass, unless the images themselves ask.
        frozen = self._trainable == "frozen" and not images.requires_grad
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            return self.features(resample(images, self.input_size(*images.shape[-2:])))

    @abstractmethod
    def features(self, images: Tensor) -> VisualFeatures:
        """Read normalised images (B, 3, H, W) whose size already fits the tower."""

    @abstractmethod
    def blocks(self) -> Sequence[nn.Module]:
        """Return the residual blocks, shallow to deep."""

    @abstractmethod
    def head(self) -> Sequence[nn.Module | nn.Parameter]:
        """Return what follows the blocks: final norm, pooling, projection."""

    def auto_dense(self) -> str:
        """Return the variant that ``"auto"`` means for this tower."""
        return self.dense_choices[0]

    def fixed_parameters(self) -> Sequence[nn.Parameter]:
        """Return parameters that are constants of the architecture and never trained."""
        return ()

    def set_trainable(self, what: str | int) -> Self:
        """Choose which part of the tower learns.

        Parts that do not learn take no gradient and stay in evaluation mode (batch statistics too),
        whatever ``train()`` is told.

        Args:
            what: ``"frozen"``, ``"all"``, or n: the last n residual blocks and the head.

        Raises:
            ConfigurationError: neither of these, or n is not within 1 … `num_blocks`.
        """
        if what not in ("frozen", "all"):
            if isinstance(what, str):
                raise unknown_name("trainable part of a vision tower", what, ("frozen", "all"))
            if isinstance(what, bool) or not 1 <= what <= self.num_blocks:
                raise ConfigurationError(
                    f"trainable blocks of a vision tower: expected 1 to {self.num_blocks}, "
                    f"got {what}"
                )
        self._trainable = what
        for parameter in self.visual.parameters():
            parameter.requires_grad_(what == "all")
        for part in self._learning_parts():
            part.requires_grad_(True)
        for parameter in self.fixed_parameters():
            parameter.requires_grad_(False)
        return self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, for the parts that learn only."""
        super().train(mode)
        if self._trainable != "all":
            self.visual.eval()
        for part in self._learning_parts():
            if isinstance(part, nn.Module):
                part.train(mode)
        return self

    def _learning_parts(self) -> list[nn.Module | nn.Parameter]:
        """Return the blocks and head that learn; nothing where the answer is all or none."""
        if isinstance(self._trainable, str):
            return []
        return [*self.blocks()[-self._trainable :], *self.head()]

    def _resolve_dense(self, dense: str) -> str:
        if dense == "auto":
            return self.auto_dense()
        if dense not in self.dense_choices:
            raise unknown_name(f"dense variant of {type(self).__name__}", dense, self.dense_choices)
        return dense


def evenly(depth: int, parts: int) -> tuple[int, ...]:
    """Return the last index of each of ``parts`` even shares of ``depth`` blocks."""
    return tuple(math.ceil(depth * k / parts) - 1 for k in range(1, parts + 1))
