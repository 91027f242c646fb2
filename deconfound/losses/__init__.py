"""What training minimises."""

from deconfound.losses.causal import CausalAlignmentLoss, class_coverage
from deconfound.losses.contrastive import ContrastiveLoss, image_targets
from deconfound.losses.segmentation import SegmentationLoss, any_lesion, soft_dice
from deconfound.losses.total import CausalLoss

__all__ = [
    "CausalAlignmentLoss",
    "CausalLoss",
    "ContrastiveLoss",
    "SegmentationLoss",
    "any_lesion",
    "class_coverage",
    "image_targets",
    "soft_dice",
]
