"""The twelve architectures of segmentation-models-pytorch, without their encoders."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from deconfound.errors import ConfigurationError, unknown_name
from deconfound.spelling import spelled

ARCHITECTURES = (
    "Unet",
    "UnetPlusPlus",
    "MAnet",
    "Linknet",
    "FPN",
    "PSPNet",
    "DeepLabV3",
    "DeepLabV3Plus",
    "PAN",
    "UPerNet",
    "Segformer",
    "DPT",
)

# Arguments of SMP's models that concern the encoder, the task, or what comes after the logits.
_NOT_THE_DECODERS = frozenset(
    {
        "channels",
        "encoder_name",
        "encoder_weights",
        "encoder_output_indices",
        "in_channels",
        "classes",
        "activation",
        "aux_params",
        "kwargs",
    }
)

# PAN pools its deepest map three times at stride 16; below this side nothing is left to pool.
SMALLEST_SIDE = {"PAN": 128}

# Levels that an architecture reads, counted from the deepest; the others read all but the image.
_DEEPEST_FOUR = (-4, -3, -2, -1)
_READ = {
    "FPN": _DEEPEST_FOUR,
    "PAN": _DEEPEST_FOUR,
    "UPerNet": _DEEPEST_FOUR,
    "DPT": _DEEPEST_FOUR,
    "DeepLabV3Plus": (-4, -1),
    "DeepLabV3": (-1,),
    "PSPNet": (-1,),
}


def levels_read(architecture: str, num_maps: int) -> tuple[int, ...]:
    """Return which of ``num_maps`` maps, entry 0 being the image, a decoder looks at."""
    if architecture in _READ:
        return tuple(num_maps + level for level in _READ[architecture])
    return tuple(range(1, num_maps))


class SmpDecoder(nn.Module):
    """The decoder and head of an SMP model; the encoder is somebody else's.

    Attributes:
        architecture: as SMP spells it.
        classes: output channels.
        depth: how many levels below the image the decoder is given.
        output_stride: the stride of the deepest of them.
        smallest_side: images smaller than this are enlarged first, in pixels.
    """

    def __init__(
        self,
        architecture: str,
        decoder: nn.Module,
        head: nn.Module,
        classes: int,
        depth: int = 5,
        output_stride: int = 32,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.classes = classes
        self.decoder = decoder
        self.head = head
        self.depth = depth
        self.output_stride = output_stride
        self.smallest_side = SMALLEST_SIDE.get(architecture, 32)

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        """Return logits (B, C, H', W') from maps at strides 1, 2, 4, …."""
        return self.head(self.decoder(list(pyramid)))


def build_decoder(
    architecture: str,
    channels: Sequence[int],
    classes: int,
    options: Mapping[str, Any] | None = None,
) -> SmpDecoder:
    """Build the decoder and head of an SMP architecture for a pyramid with the given channels.

    Args:
        architecture: one of `ARCHITECTURES`, in any letter case.
        channels: channels of the maps at strides 1 (the image), 2, 4, 8, 16, 32.
        classes: output channels.
        options: further arguments of the architecture, as SMP names them (``decoder_channels``, …).

    Raises:
        UnknownNameError: no such architecture, or no such option of it.
        ConfigurationError: a value that the architecture refuses.
    """
    import segmentation_models_pytorch as smp

    name = canonical_architecture(architecture)
    options = dict(options or {})
    _check_options(name, _build_dpt if name == "DPT" else getattr(smp, name), options)
    try:
        if name == "DPT":
            return _build_dpt(channels, classes, **options)
        with _announced(channels) as encoder_name:
            model = smp.create_model(
                name, encoder_name=encoder_name, encoder_weights=None, classes=classes, **options
            )
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigurationError(f"decoder {name}: {error}") from error
    return SmpDecoder(
        name,
        model.decoder,
        model.segmentation_head,
        classes,
        depth=model.encoder._depth,
        output_stride=model.encoder.output_stride,
    )


def canonical_architecture(name: str) -> str:
    """Return the name as SMP spells it, or raise UnknownNameError with the near ones."""
    return spelled(name, ARCHITECTURES, "SMP decoder")


def _check_options(name: str, build: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Refuse options that are not the decoder's: encoder, classes and logits are ours."""
    accepted = [o for o in inspect.signature(build).parameters if o not in _NOT_THE_DECODERS]
    for option in options:
        if option not in accepted:
            raise unknown_name(f"option of decoder {name}", option, accepted)


class _Announcement(nn.Module):
    """What SMP asks an encoder before it builds a decoder; it never sees an image."""

    def __init__(self, out_channels: Sequence[int], depth: int, output_stride: int) -> None:
        super().__init__()
        self._depth = depth
        self.out_channels = list(out_channels[: depth + 1])
        self.output_stride = min(output_stride, 2**depth)

    def set_in_channels(self, in_channels: int, pretrained: bool = True) -> None:
        """Accept three channels, which is what a vision-language tower reads."""
        if in_channels != 3:
            raise ValueError(f"expected images with 3 channels, found in_channels={in_channels}")

    def make_dilated(self, output_stride: int) -> None:
        """Accept: the pyramid is resampled to the stride that was asked for."""


@contextmanager
def _announced(channels: Sequence[int]) -> Iterator[str]:
    """Make the pyramid's channels known to SMP under a name that is gone again afterwards.

    SMP has no public registration; its documented way, an entry in a module-level table, would
    outlive us and make saved models unreadable where the entry is missing.
    """
    from segmentation_models_pytorch.encoders import encoders

    name = "deconfound-pyramid"
    encoders[name] = {
        "encoder": _Announcement,
        "params": {"out_channels": tuple(channels)},
        "pretrained_settings": {},
    }
    try:
        yield name
    finally:
        del encoders[name]


def _build_dpt(
    channels: Sequence[int],
    classes: int,
    decoder_intermediate_channels: Sequence[int] = (256, 512, 1024, 1024),
    decoder_fusion_channels: int = 256,
) -> SmpDecoder:
    """Build DPT's own decoder: its model class accepts only timm's plain vision transformers."""
    from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder, DPTSegmentationHead

    width = decoder_fusion_channels
    decoder = DPTDecoder(
        encoder_out_channels=tuple(channels[2:]),
        encoder_output_strides=(4, 8, 16, 32),
        encoder_has_prefix_tokens=False,
        readout="ignore",
        intermediate_channels=tuple(decoder_intermediate_channels),
        fusion_channels=width,
    )
    head = DPTSegmentationHead(width, classes, activation=None, kernel_size=3, upsampling=2)
    return SmpDecoder("DPT", _WithoutPrefix(decoder), head, classes)


class _WithoutPrefix(nn.Module):
    """DPT's decoder behind the list of maps that every other decoder reads."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        """Decode the maps at strides 4 to 32."""
        maps = pyramid[2:]
        return self.decoder(maps, [None] * len(maps))
