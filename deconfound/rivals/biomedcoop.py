"""BiomedCoOp: one learned prompt, held near an ensemble of written ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deconfound.errors import ConfigurationError
from deconfound.interventions import LearnedPromptIntervention
from deconfound.packs import PromptPack
from deconfound.prompts import PromptEmbeddings
from deconfound.rivals.added_terms import AddedTerms, Weighted
from deconfound.rivals.base import Rival, rivals
from deconfound.segmenter import CausalSegmenter
from deconfound.types import Explanation
from deconfound.vlm import VisionLanguageModel
from deconfound.vlm.context import ContextText, word_vectors

NORMAL_MAD = 0.6745
"""MAD of a normal distribution, in standard deviations: what makes a z-score a modified one."""


@rivals.register("biomedcoop")
class BiomedCoOp(Rival):
    """Learned context tokens, with semantic consistency and distillation from selected prompts.

    `LearnedPromptIntervention` is its part of the model, `BiomedCoOpLoss` its loss.

    Args:
        consistency: λ₁, weight of the distance from the ensemble's mean.
        distillation: λ₂, weight of the divergence from the ensemble's class scores.
        threshold: largest modified z-score of a prompt that is kept.
        words: where the context starts, one token each.
    """

    title = "BiomedCoOp"
    source = "Koleilat et al., CVPR 2025, arXiv 2411.15232"
    adapted = (
        "from picture to location: every location is compared with the learned class prompts, and "
        "their mixture joins its features; the run's segmentation loss in place of the "
        "classifier's cross-entropy; a prompt of normal tissue stands for the background; the "
        "ensemble is the pack's prompts of a class with each confounder, not sentences of a "
        "language model; pictures whose class is unknown, lesion-free ones among them, are not "
        "distilled, whether the task is binary or not; the teacher sees the run's own tower; "
        "outliers by the modified z-score, at the published threshold"
    )
    grid = (
        {"consistency": 1.0, "distillation": 1.0},
        {"consistency": 0.25, "distillation": 0.25},
        {"consistency": 4.0, "distillation": 4.0},
    )

    def __init__(
        self,
        consistency: float = 1.0,
        distillation: float = 1.0,
        threshold: float = 1.5,
        words: str = "a photo of a",
    ) -> None:
        self.consistency = consistency
        self.distillation = distillation
        self.threshold = threshold
        self.words = words

    def parts(self, vlm: VisionLanguageModel, pack: PromptPack) -> dict[str, Any]:
        """Return every location as a region, and the layer that joins the prompts to them."""
        start = word_vectors(vlm, self.words)
        sentences = [*(lesion.text for lesion in pack.classes), pack.normal]
        text = ContextText.of(vlm, sentences, vectors=len(start), persistent=False)
        layer = LearnedPromptIntervention(
            vlm.embed_dim, len(sentences), start, vlm.logit_scale, text
        )
        return {"selector": "all", "intervention": layer}

    def criterion(self, model: CausalSegmenter, plain: nn.Module, num_sites: int) -> nn.Module:
        """Return the plain loss with the two terms added."""
        if not isinstance(model.intervention, LearnedPromptIntervention):
            raise ConfigurationError(
                f"BiomedCoOp: expected a model built from its parts, found the intervention "
                f"{type(model.intervention).__name__}"
            )
        return BiomedCoOpLoss(
            plain,
            model.intervention,
            model.prompts,
            self.consistency,
            self.distillation,
            self.threshold,
        )


class BiomedCoOpLoss(AddedTerms):
    """L_plain + λ₁ · consistency + λ₂ · distillation (arXiv 2411.15232).

    With e the learned class embeddings and t_km the ensemble's, all unit vectors::

        consistency   = mean over k and channels of (e_k - t̄_k)²,  t̄_k = mean_m t_km, normalised
        distillation  = 1/K · KL(softmax(s·cos(x, t̃)) ‖ softmax(s·cos(x, e))), mean over pictures

    where t̃_k is the normalised mean of the prompts that `select_prompts` keeps.

    Args:
        plain: the segmentation loss of the run.
        layer: has e and s.
        prompts: the encoded pack; has t.
        consistency: λ₁.
        distillation: λ₂.
        threshold: of `select_prompts`.

    Raises:
        ConfigurationError: a negative weight, or a threshold that could leave no prompt.
    """

    def __init__(
        self,
        plain: nn.Module,
        layer: LearnedPromptIntervention,
        prompts: PromptEmbeddings,
        consistency: float = 1.0,
        distillation: float = 1.0,
        threshold: float = 1.5,
    ) -> None:
        super().__init__(plain)
        if consistency < 0 or distillation < 0:
            raise ConfigurationError(
                f"BiomedCoOp: weights must be ≥ 0, found {consistency} and {distillation}"
            )
        if threshold < NORMAL_MAD:
            raise ConfigurationError(
                f"BiomedCoOp: threshold must be ≥ {NORMAL_MAD}, found {threshold}; a smaller one "
                f"could drop every prompt"
            )
        self.layer = layer
        self.prompts = prompts
        self.consistency = consistency
        self.distillation = distillation
        self.threshold = threshold

    def added(
        self, explanation: Explanation, class_index: Tensor, site_index: Tensor | None
    ) -> dict[str, Weighted]:
        """Return ``consistency`` and ``distillation``; see `AddedTerms.added`.

        The picture's embedding is distilled, unless its class is unknown.
        """
        ensemble = self.prompts.joint
        learned = self.layer.embeddings()[: len(ensemble)]  # without that of normal tissue
        consistency = F.mse_loss(learned, F.normalize(ensemble.mean(dim=1), dim=-1))
        distillation = self._distil(explanation.pooled, learned, ensemble, class_index >= 0)
        return {
            "consistency": (self.consistency, consistency),
            "distillation": (self.distillation, distillation),
        }

    def _distil(self, pooled: Tensor, learned: Tensor, ensemble: Tensor, known: Tensor) -> Tensor:
        """Return the mean divergence of the pictures (B, d) whose class is known; else 0."""
        pictures = F.normalize(pooled.float(), dim=-1)
        weight = known / known.sum().clamp_min(1)
        with torch.no_grad():
            each = torch.einsum("bd,kmd->bkm", pictures, ensemble)
            kept = select_prompts(weight @ each.amax(dim=1), self.threshold)
            teacher = F.normalize(ensemble[:, kept].mean(dim=1), dim=-1)
            target = (self.layer.scale * pictures @ teacher.T).log_softmax(dim=-1)
        found = (self.layer.scale * pictures @ learned.T).log_softmax(dim=-1)
        divergence = F.kl_div(found, target, reduction="none", log_target=True).mean(dim=-1)
        return weight @ divergence


def select_prompts(scores: Tensor, threshold: float) -> Tensor:
    """Return which of M prompts are no outliers, (M,) bool; half of them at least.

    A prompt's score is the mean over pictures of its best cosine with a class. It is an outlier
    where the modified z-score, 0.6745 · |score - median| / MAD, is above the threshold.

    Args:
        scores: (M,).
        threshold: 0.6745 or more, at which what deviates by the MAD is kept.
    """
    deviation = (scores - scores.quantile(0.5)).abs()
    return deviation * NORMAL_MAD <= threshold * deviation.quantile(0.5)
