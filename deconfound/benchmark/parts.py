"""What methods are made of: each part sets one thing, and parts add up to a method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """One choice in how to train.

    Attributes:
        title: in words.
        sets: what it is a choice of: an argument of :class:`~deconfound.CausalSegmenter` or of
            :class:`~deconfound.training.adjustment.AdjustmentSettings`, ``estimator`` of the
            outcome model, or ``lambda_causal`` and ``lambda_lesion``, the weights of two losses. A
            method has one part for each at most.
        value: what that is set to.
        what: one clause for the report.
        beside: the part that joins this one where nothing else sets what that one sets.
    """

    title: str
    sets: str
    value: Any
    what: str
    beside: str | None = None


AVERAGED = ("gated_mlp", "film", "translation")
"""Outcome models A(f, z) of a single z, over which an estimator can take its sum."""

PARTS: dict[str, Part] = {
    "mtrs": Part("MTRS", "selector", "mtrs", "regions that the class prompts choose"),
    "cross_attention": Part(
        "Cross-attention", "intervention", "cross_attention", "cross-attention over the dictionary"
    ),
    "cross_attention_literal": Part(
        "Literal cross-attention", "intervention",
        {"name": "cross_attention", "merge": "replace"},
        "cross-attention over the dictionary in the place of the regions",
    ),
    "gated_mlp": Part(
        "Gated MLP", "intervention", "gated_mlp", "a gated MLP A(f, z)", "enumeration"
    ),
    "film": Part("FiLM", "intervention", "film", "scale and shift by z", "enumeration"),
    "translation": Part(
        "Translation", "intervention", "translation",
        "the z that a region shows exchanged along directions of text", "enumeration",
    ),
    "prior_only": Part(
        "Prior only", "intervention", "prior_only",
        "the mean confounder, whatever the region; a control",
    ),
    "front_door": Part(
        "Front door", "intervention", "front_door",
        "attention in the picture and over a global dictionary", "kmeans",
    ),
    "erasure": Part(
        "Erasure", "intervention", "erasure",
        "the dictionary's span projected out of the regions",
    ),
    "leace": Part(
        "LEACE", "intervention", "leace",
        "what a linear reader finds of z erased from the regions",
    ),
    "enumeration": Part(
        "Enumeration", "estimator", "enumeration", "summed exactly over P(z)", "gated_mlp"
    ),
    "monte_carlo": Part(
        "Monte Carlo", "estimator", "monte_carlo", "summed over four draws from P(z)", "gated_mlp"
    ),
    "prior_mean": Part(
        "Prior mean", "estimator", "prior_mean", "taken at the mean confounder", "gated_mlp"
    ),
    "attention": Part(
        "Attention", "estimator", "attention",
        "summed by what each region looks like; a control", "gated_mlp",
    ),
    "standardisation": Part(
        "Standardisation", "estimator", "standardisation",
        "fitted under the z that is read, then summed over P(z)", "gated_mlp",
    ),
    "average_logits": Part(
        "Averaged logits", "average", "logit",
        "averaged over z behind the decoder, as logits", "gated_mlp",
    ),
    "average_probabilities": Part(
        "Averaged probabilities", "average", "probability",
        "averaged over z behind the decoder, as probabilities", "gated_mlp",
    ),
    "kmeans": Part(
        "k-means", "dictionary", "kmeans",
        "a dictionary of twelve centres of image embeddings", "cross_attention",
    ),
    "class_means": Part(
        "Class means", "dictionary", "class_means",
        "a dictionary of the mean lesion of each class", "cross_attention",
    ),
    "learned": Part(
        "Learned", "dictionary", "learned", "a dictionary of twelve trained vectors",
        "cross_attention",
    ),
    "statistics": Part(
        "Statistics", "level_intervention", "statistics",
        "channel statistics of a drawn confounder, at every level",
    ),
    "level_erasure": Part(
        "Level erasure", "level_intervention", "erasure",
        "what a linear reader finds of z erased from every level",
    ),
    "mixstyle": Part(
        "MixStyle", "level_intervention", "mixstyle",
        "channel statistics mixed between pictures, at the shallow levels",
    ),
    "causal_loss": Part("Causal loss", "lambda_causal", 0.5, "causal loss"),
    "lesion_loss": Part(
        "Lesion loss", "lambda_lesion", 1.0, "where a lesion is, asked apart from which it is"
    ),
    "weighting": Part(
        "Weighting", "weighting", "sampler",
        "images drawn by P(k)P(z)/P(k,z), z read by the VLM",
    ),
    "loss_weighting": Part(
        "Loss weighting", "weighting", "loss",
        "losses weighted by P(k)P(z)/P(k,z), z read by the VLM",
    ),
    "propensity": Part(
        "Propensity", "weigh_by", "surroundings",
        "images drawn by P(k)/P(k|s), s all that shows beside the lesion", "weighting",
    ),
    "calibrated": Part(
        "Calibrated", "calibrate", True,
        "the reading's temperature fitted to drawn confounders", "weighting",
    ),
    "transplant": Part("Transplant", "transplant", 0.5, "lesions in other surroundings"),
    "transplant_auto": Part(
        "As many transplants as needed", "transplant", "auto",
        "lesions in other surroundings, as many as these tell of the class",
    ),
    "margin_auto": Part(
        "As much margin as tells", "margin", "auto",
        "what lies about a lesion and goes with it, brought along", "transplant_auto",
    ),
    "detail": Part(
        "Detail", "detail", True,
        "noise and sharpness of the new place on a transplanted lesion", "transplant_auto",
    ),
    "restyle_auto": Part(
        "Restyle one class", "restyle", "auto",
        "colours and light of other pictures, where classes cannot be told",
    ),
    "restyle": Part("Restyle", "restyle", 0.7, "colours and light of other pictures"),
    "render": Part("Render", "render", 0.7, "the pack's confounders drawn onto pictures"),
}  # fmt: skip
"""Every part by name, in the order in which a method names its own."""
