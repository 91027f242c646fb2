"""The training objective: L = L_seg + λ₁·L_causal + λ₂·L_contrast."""

from __future__ import annotations

from torch import Tensor, nn

from deconfound.errors import ConfigurationError
from deconfound.losses.causal import CausalAlignmentLoss, class_coverage
from deconfound.losses.contrastive import ContrastiveLoss, image_targets
from deconfound.losses.segmentation import Kind, SegmentationLoss
from deconfound.prompts import PromptEmbeddings
from deconfound.types import Explanation


class CausalLoss(nn.Module):
    """Add the three terms (arXiv 2508.05008).

    Args:
        prompts: the encoded pack of the model that is trained.
        segmentation: ``"ce"`` (as published) or ``"ce+dice"``.
        lambda_causal: λ₁.
        lambda_contrast: λ₂.
        temperature: τ of the contrastive term.
        lambda_lesion: weight of where any lesion is within L_seg, see `SegmentationLoss`.
    """

    def __init__(
        self,
        prompts: PromptEmbeddings,
        segmentation: Kind = "ce",
        lambda_causal: float = 0.5,
        lambda_contrast: float = 0.1,
        temperature: float = 0.5,
        lambda_lesion: float = 0.0,
    ) -> None:
        super().__init__()
        if lambda_causal < 0 or lambda_contrast < 0:
            raise ConfigurationError(
                f"loss weights must be ≥ 0, found {lambda_causal} and {lambda_contrast}"
            )
        self.prompts = prompts
        self.segmentation = SegmentationLoss(segmentation, lambda_lesion)
        self.causal = CausalAlignmentLoss()
        self.contrastive = ContrastiveLoss(temperature)
        self.lambda_causal = lambda_causal
        self.lambda_contrast = lambda_contrast

    def forward(
        self,
        explanation: Explanation,
        mask: Tensor,
        class_index: Tensor,
        *,
        causal: bool = True,
        weight: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return ``loss`` and its terms before their λ: ``seg``, ``causal``, ``contrast``.

        Args:
            explanation: what the model said of the batch.
            mask: (B, H, W), int64; 0/1 where the model is binary, else 0 to K.
            class_index: (B,), int64, the lesion class of each image; -1 unknown.
            causal: whether L_causal is on yet (it starts with the intervention).
            weight: (B,), how much each image counts in L_seg; None counts each once. The other two
                terms compare embeddings with texts, and are not weighed.
        """
        num_classes = len(self.prompts.classes)
        binary = explanation.logits.shape[1] == 1
        terms = {
            "seg": self.segmentation(explanation.logits, mask, weight),
            "contrast": self.contrastive(
                explanation.pooled,
                self.prompts.classes,
                self.prompts.normal,
                image_targets(mask, class_index, num_classes),
            ),
        }
        loss = terms["seg"] + self.lambda_contrast * terms["contrast"]
        if causal:
            grid = (explanation.scores.shape[-2], explanation.scores.shape[-1])
            coverage = class_coverage(mask, class_index, num_classes, grid, binary)
            terms["causal"] = self.causal(
                explanation.regions, explanation.intervened, coverage, self.prompts.joint
            )
            loss = loss + self.lambda_causal * terms["causal"]
        return {"loss": loss, **terms}
