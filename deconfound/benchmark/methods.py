"""What is compared: the parts of the model, and what adjusts while it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from deconfound.benchmark.named import NAMED
from deconfound.benchmark.parts import PARTS
from deconfound.benchmark.sums import in_order, parts_of
from deconfound.training.adjustment import AdjustmentSettings


@dataclass(frozen=True, slots=True)
class Method:
    """One way to train.

    Attributes:
        title: in words.
        what: one sentence for the report.
        parts: arguments of :class:`~deconfound.CausalSegmenter`; plain where empty.
        adjustment: what is done to the training pictures.
        lambda_causal: weight of the causal loss.
        lambda_lesion: weight of the loss of where any lesion is.
    """

    title: str
    what: str
    parts: Mapping[str, Any]
    adjustment: AdjustmentSettings
    lambda_causal: float
    lambda_lesion: float


def canonical(text: str) -> str:
    """Return the one name of a method, however its parts were ordered.

    Raises:
        UnknownNameError: a name that is neither a method nor a part, alone or in a sum.
        ConfigurationError: parts that cannot be added up, see `parts_of`.
    """
    parts_of(text)
    return "+".join(in_order(text))


@lru_cache(maxsize=256)
def method_of(text: str) -> Method:
    """Return a method by its name, or by the sum of its parts; errors are those of `canonical`."""
    terms, parts = in_order(text), parts_of(text)
    titles = [NAMED[term].title if term in NAMED else PARTS[term].title for term in terms]
    named = NAMED.get("+".join(terms))
    return _built(
        " + ".join(titles),
        named.what if named else "; ".join(part.what for part in parts.values()),
        {part.sets: part.value for part in parts.values()},
    )


def _built(title: str, what: str, values: Mapping[str, Any]) -> Method:
    """Hand every value to whom it is an argument of."""
    of_adjustment = {k: v for k, v in values.items() if k in AdjustmentSettings.model_fields}
    apart = {"lambda_causal", "lambda_lesion", "estimator", *of_adjustment}
    parts = {k: v for k, v in values.items() if k not in apart}
    if "estimator" in values:
        parts["intervention"] = {"name": values["intervention"], "estimator": values["estimator"]}
    return Method(
        title,
        what,
        parts,
        AdjustmentSettings.off().model_copy(update=of_adjustment),
        values.get("lambda_causal", 0.0),
        values.get("lambda_lesion", 0.0),
    )
