"""A finished SMP model with an encoder of its own; the vision tower runs beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from deconfound.decoders.architectures import (
    ARCHITECTURES,
    SMALLEST_SIDE,
    canonical_architecture,
    levels_read,
)
from deconfound.decoders.base import SegmentationBody
from deconfound.errors import ConfigurationError
from deconfound.types import VisualFeatures


class ReadySmpBody(SegmentationBody):
    """Any SMP segmentation model, as it is.

    It sees the same tensor as the tower, normalised for the tower. A model that was trained under
    other statistics (CLIP's and ImageNet's differ by less than 0.01) needs some training to adapt.

    Args:
        model: the model; trained or not. It is no copy: bodies of one model share its weights.

    Raises:
        ConfigurationError: not an SMP model, or one that returns labels beside the mask, or
            probabilities in place of logits.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        from segmentation_models_pytorch.base import SegmentationModel
        from segmentation_models_pytorch.base.modules import Activation

        if not isinstance(model, SegmentationModel) or type(model).__name__ not in ARCHITECTURES:
            raise ConfigurationError(
                f"decoder: expected an SMP architecture name or a model of one of its classes "
                f"({', '.join(ARCHITECTURES)}), found {type(model).__qualname__}"
            )
        if getattr(model.encoder, "_in_channels", 3) != 3:
            raise ConfigurationError(
                f"decoder: expected an SMP model for images with 3 channels, which is what a "
                f"vision-language tower reads, found in_channels={model.encoder._in_channels}"
            )
        if model.classification_head is not None:
            raise ConfigurationError(
                "decoder: an SMP model with aux_params returns a label beside the mask; "
                "build it without aux_params"
            )
        for part in model.segmentation_head.modules():
            if isinstance(part, Activation) and not isinstance(part.activation, nn.Identity):
                raise ConfigurationError(
                    f"decoder: expected an SMP model that returns logits, found one with "
                    f"activation={type(part.activation).__name__}; build it without activation"
                )
        encoder = model.encoder
        self.model = model
        self.classes = _output_channels(model.segmentation_head)
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


def _output_channels(head: nn.Module) -> int:
    """Return how many channels a head gives: those of its last convolution."""
    return [m for m in head.modules() if isinstance(m, nn.Conv2d)][-1].out_channels


def build_smp_model(spec: Mapping[str, Any]) -> nn.Module:
    """Build an SMP model from its class (``smp_model``) and the arguments it was built with.

    Its weights are random, whatever ``encoder_weights`` says: a saved model brings its own.

    Raises:
        UnknownNameError: no such class.
        ConfigurationError: an argument that the class refuses.
    """
    import segmentation_models_pytorch as smp

    options = {k: v for k, v in spec.items() if k != "smp_model"} | {"encoder_weights": None}
    name = canonical_architecture(spec["smp_model"])
    try:
        return getattr(smp, name)(**options)
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]  # SMP lists every encoder that there is
        raise ConfigurationError(f"decoder {name}: {reason}") from error


def _fixed_size(encoder: nn.Module) -> tuple[int, int] | None:
    """Return the one size that a timm ViT built without ``dynamic_img_size`` accepts, else None."""
    embed = getattr(getattr(encoder, "model", None), "patch_embed", None)
    if embed is None or not getattr(embed, "strict_img_size", False):
        return None
    height, width = embed.img_size
    return height, width
