"""Sums of parts that have a name of their own."""

from __future__ import annotations

from dataclasses import dataclass

from deconfound.benchmark.cells import DEFAULT, PLAIN


@dataclass(frozen=True, slots=True)
class Named:
    """A sum of parts that has a name of its own.

    Attributes:
        title: in words.
        what: one sentence for the report.
        parts: what it is the sum of; plain training is the sum of none.
    """

    title: str
    what: str
    parts: str = ""


NAMED: dict[str, Named] = {
    PLAIN: Named("Plain", "nothing but the segmentation loss"),
    "mcdrl": Named(
        "MCDRL", "the published form: MTRS, cross-attention, causal loss",
        "mtrs+cross_attention+causal_loss",
    ),
    "mcdrl_literal": Named(
        "Literal MCDRL", "the published form with attention's answer in the place of the regions",
        "mtrs+cross_attention_literal+causal_loss",
    ),
    "doubly_robust": Named(
        "Doubly robust", "A(f, z) fitted under the z that is read, on weighted images; then summed",
        "gated_mlp+standardisation+weighting",
    ),
    DEFAULT: Named(
        "Default", "MCDRL's layer on images balanced by surroundings; transplants where that fails",
        "mtrs+cross_attention+causal_loss+weighting+propensity+transplant_auto+margin_auto"
        "+restyle_auto",
    ),
    "unbalanced": Named(
        "Default − weighting", "MCDRL's layer, trained on transplanted lesions",
        "mtrs+cross_attention+causal_loss+transplant_auto+margin_auto+restyle_auto",
    ),
}  # fmt: skip
