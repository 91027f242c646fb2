"""How maps become masks: segmentation-models-pytorch, opened between encoder and decoder."""

from deconfound.decoders.architectures import ARCHITECTURES, build_decoder, canonical_architecture
from deconfound.decoders.base import SegmentationBody
from deconfound.decoders.ready_smp import ReadySmpBody, build_smp_model
from deconfound.decoders.tower_body import TowerBody

__all__ = [
    "ARCHITECTURES",
    "ReadySmpBody",
    "SegmentationBody",
    "TowerBody",
    "build_decoder",
    "build_smp_model",
    "canonical_architecture",
]
