"""What is compared: the parts of the model, and what adjusts while it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deconfound.training.adjustment import AdjustmentSettings

OFF = AdjustmentSettings.off()
PUBLISHED: Mapping[str, Any] = {"selector": "mtrs", "intervention": "cross_attention"}


@dataclass(frozen=True, slots=True)
class Method:
    """One way to train.

    Attributes:
        title: in words.
        what: one sentence for the report.
        parts: arguments of :class:`~deconfound.CausalSegmenter`; plain where empty.
        adjustment: what is done to the training pictures.
        lambda_causal: weight of the causal loss.
    """

    title: str
    what: str
    parts: Mapping[str, Any] = field(default_factory=dict)
    adjustment: AdjustmentSettings = OFF
    lambda_causal: float = 0.0

    @property
    def speaks(self) -> bool:
        """Whether it reads the pack's words or what they name."""
        return bool(self.parts) or bool(self.adjustment.render) or self.adjustment.weighs


def _doing(**shares: Any) -> AdjustmentSettings:
    return OFF.model_copy(update=shares)


METHODS: dict[str, Method] = {
    "plain": Method("Plain", "nothing but the segmentation loss"),
    "mcdrl": Method(
        "MCDRL", "the published form: MTRS, cross-attention, causal loss", PUBLISHED, OFF, 0.5
    ),
    "enumeration": Method(
        "Enumeration", "a gated MLP A(f, z), summed exactly over P(z)",
        {"intervention": "gated_mlp"},
    ),
    "film": Method(
        "FiLM", "scale and shift by z, summed exactly over P(z)", {"intervention": "film"}
    ),
    "prior_only": Method(
        "Prior only", "the mean confounder, whatever the region; a control",
        {"intervention": "prior_only"},
    ),
    "front_door": Method(
        "Front door", "attention in the picture and over a global dictionary",
        {"intervention": "front_door"},
    ),
    "kmeans": Method(
        "k-means", "cross-attention over twelve centres of image embeddings",
        {"dictionary": "kmeans", "intervention": "cross_attention"},
    ),
    "erasure": Method(
        "Erasure", "the dictionary's span projected out of the regions",
        {"intervention": "erasure"},
    ),
    "statistics": Method(
        "Statistics", "channel statistics of a drawn confounder, at every level",
        {"level_intervention": "statistics"},
    ),
    "weighting": Method(
        "Weighting", "images drawn by P(k)P(z)/P(k,z), z read by the VLM",
        adjustment=_doing(weighting="sampler"),
    ),
    "doubly_robust": Method(
        "Doubly robust", "A(f, z) fitted under the z that is read, on weighted images; then summed",
        {"intervention": {"name": "gated_mlp", "estimator": "standardisation"}},
        _doing(weighting="sampler"),
    ),
    "restyle": Method(
        "Restyle", "colours and light of other pictures", adjustment=_doing(restyle=0.7)
    ),
    "render": Method(
        "Render", "the pack's confounders drawn onto pictures", adjustment=_doing(render=0.7)
    ),
    "transplant": Method(
        "Transplant", "lesions in other surroundings", adjustment=_doing(transplant=0.5)
    ),
    "default": Method(
        "Default", "MCDRL's layer, trained on transplanted lesions in balanced batches",
        PUBLISHED, AdjustmentSettings(), 0.5,
    ),
    "unbalanced": Method(
        "Default − weighting", "MCDRL's layer, trained on transplanted lesions",
        PUBLISHED, AdjustmentSettings(weighting="none"), 0.5,
    ),
}  # fmt: skip
"""Every method by name."""
