"""A loss that is the plain one, and terms of a method's own beside it."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from deconfound.types import Explanation

Weighted = tuple[float, Tensor]
"""A weight, and a scalar."""


class AddedTerms(nn.Module):
    """L_plain + Σ_i w_i L_i: a subclass says what is added.

    One that compares sites sets ``reads_sites = True``.

    Args:
        plain: the loss of the segmentation.
    """

    def __init__(self, plain: nn.Module) -> None:
        super().__init__()
        self.plain = plain

    @abstractmethod
    def added(
        self, explanation: Explanation, class_index: Tensor, site_index: Tensor | None
    ) -> dict[str, Weighted]:
        """Return the method's own terms by name, each with its weight.

        Args:
            explanation: what the model said of the batch, the last that went through it.
            class_index: (B,), int64; -1 unknown.
            site_index: (B,), int64; None where the loss does not read sites.

        Raises:
            DataError: no sites, or one that is not known, where they are read.
        """

    def forward(
        self,
        explanation: Explanation,
        mask: Tensor,
        class_index: Tensor,
        *,
        causal: bool = True,
        weight: Tensor | None = None,
        site_index: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the plain loss's terms and those that are added, with all of them in ``loss``.

        Args:
            explanation: what the model said of the batch.
            mask: (B, H, W), int64.
            class_index: (B,), int64; -1 unknown.
            causal: handed to the plain loss.
            weight: (B,), how much each image counts in the plain loss; what is added counts each
                once.
            site_index: (B,), int64; see `added`.
        """
        own = self.added(explanation, class_index, site_index)
        terms = self.plain(explanation, mask, class_index, causal=causal, weight=weight)
        loss = terms["loss"]
        for share, value in own.values():
            loss = loss + share * value
        return {**terms, **{name: value for name, (_, value) in own.items()}, "loss": loss}
