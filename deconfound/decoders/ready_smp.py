"""A finished SMP model with an encoder of its own; the vision tower runs beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from deconfound.decoders.architectures import (
    SMALLEST_SIDE,
    canonical_architecture,
    levels_read,
)
from deconfound.decoders.base import SegmentationBody
from deconfound.errors import ConfigurationError
from deconfound.types import VisualFeatures


class ReadySmpBody(SegmentationBody):
    """Any SMP segmentation model, as it is.

    Args:
        model: the model; trained or not.

    Raises:
        ConfigurationError: not an SMP model, or one that returns labels beside the mask.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        from segmentation_models_pytorch.base import SegmentationModel

        if not isinstance(model, SegmentationModel):
            raise ConfigurationError(
                f"decoder: expected an SMP architecture name or an SMP model, "
                f"found {type(model).__qualname__}"
            )
        if model.classification_head is not None:
            raise ConfigurationError(
                "decoder: an SMP model with aux_params returns a label beside the mask; "
                "build it without aux_params"
            )
        encoder = model.encoder
        self.model = model
        self.has_image = hasattr(encoder, "_out_channels") and not hasattr(
            encoder, "output_strides"
        )
        channels = tuple(encoder.out_channels)
        if self.has_image:
            self.channels = channels
            self.strides = tuple(min(2**i, encoder.output_stride) for i in range(len(channels)))
        else:  # DPT's encoder lists its token maps alone
            self.channels = (3, *channels)
            self.strides = (1, *encoder.output_strides)
        self.levels_read = levels_read(type(model).__name__, len(self.channels))
        self.multiple = math.lcm(*self.strides)
        self.smallest_side = SMALLEST_SIDE.get(type(model).__name__, self.multiple)
        self.fixed_size = _fixed_size(encoder)

    def encode(self, images: Tensor, visual: VisualFeatures) -> tuple[list[Tensor], Any]:
        """Run the model's own encoder; DPT's gives prefix tokens beside the maps."""
        if self.has_image:
            return list(self.model.encoder(images)), ()
        maps, prefix_tokens = self.model.encoder(images)
        return [images, *maps], (prefix_tokens,)

    def decode(self, pyramid: Sequence[Tensor], rest: Any) -> Tensor:
        """Run the model's own decoder and head."""
        maps = list(pyramid) if self.has_image else list(pyramid[1:])
        return self.model.segmentation_head(self.model.decoder(maps, *rest))


def build_smp_model(spec: Mapping[str, Any]) -> nn.Module:
    """Build an SMP model from its class (``smp_model``) and the arguments it was built with."""
    import segmentation_models_pytorch as smp

    options = {k: v for k, v in spec.items() if k != "smp_model"}
    return getattr(smp, canonical_architecture(spec["smp_model"]))(**options)


def _fixed_size(encoder: nn.Module) -> tuple[int, int] | None:
    """Return the one size that a timm ViT built without ``dynamic_img_size`` accepts, else None."""
    embed = getattr(getattr(encoder, "model", None), "patch_embed", None)
    if embed is None or not getattr(embed, "strict_img_size", False):
        return None
    height, width = embed.img_size
    return height, width
