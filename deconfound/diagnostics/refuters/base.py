"""The interface of a refuter, and of what it asks again.

A refuter states a claim that would follow if the adjustment were real, changes one thing under
which the claim can fail, estimates again, and says what it found (after DoWhy's refuters; Sharma &
Kiciman 2020, arXiv 2011.04216). Whatever can be estimated again is a `Subject`: a trained model
that is only run again, one that is trained again, or a closed-form world. A refuter does not know
which.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor

from deconfound.errors import ConfigurationError
from deconfound.types import Confounders

Verdict = Literal["supported", "refuted", "inconclusive"]
SEEDS = (0, 1, 2)


class Subject(Protocol):
    """Something that can be estimated again under another dictionary.

    Attributes:
        groups: (n,) int64, the patient or sequence of each unit; whole groups are resampled.
    """

    @property
    def groups(self) -> Tensor:
        """Return (n,) int64."""

    def dictionary(self) -> Confounders:
        """Return the real dictionary."""

    def estimate(self, confounders: Confounders, seed: int = 0) -> Tensor:
        """Estimate with a dictionary, from nothing that was computed with another one.

        Args:
            confounders: any number of them, as wide as the real ones.
            seed: of whatever is drawn on the way; the same seed gives the same answer.

        Returns:
            (n,) one score per unit, larger is better, on data where F no longer goes with Z.
        """


@runtime_checkable
class HasOutcomes(Protocol):
    """A declared capability: the outcomes can be replaced by ones that have no cause here."""

    def with_shuffled_outcomes(self, seed: int) -> Subject:
        """Return the subject with outcomes dealt out to the units at random."""


@runtime_checkable
class HasRegionPrompts(Protocol):
    """A declared capability: the regions are chosen by prompts that can be replaced."""

    def with_placebo_regions(self, seed: int) -> Subject:
        """Return the subject with class embeddings that mean nothing, of the same Gram matrix."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearView:
    """A linear summary of the subject: outcome on treatment, given what was read of Z.

    Attributes:
        outcome: (n,).
        treatment: (n,).
        controls: (n, M), P(z|x) of every named confounder.
    """

    outcome: Tensor
    treatment: Tensor
    controls: Tensor


@runtime_checkable
class HasLinearView(Protocol):
    """A declared capability: what sensitivity analysis needs."""

    def linear_view(self, confounders: Confounders, seed: int = 0) -> LinearView:
        """Return outcome, treatment and controls of the n units; the seed as for an estimate."""


@dataclass(frozen=True, slots=True)
class Refutation:
    """What one refuter found.

    Attributes:
        name: of the refuter.
        effect: change of the mean score, changed minus real; not-a-number where nothing could be
            estimated.
        low: lower end of its 95 % interval.
        high: upper end.
        verdict: on the claim that the refuter states.
        reason: claim and finding, in one sentence.
        decisive: whether a refuted claim refutes the adjustment; the others describe a part of it.
    """

    name: str
    effect: float
    low: float
    high: float
    verdict: Verdict
    reason: str
    decisive: bool = True

    @property
    def answered(self) -> bool:
        """Whether the question could be asked, so that there is an effect."""
        return not math.isnan(self.effect)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; a number that there is not is null."""
        return {k: None if _is_nan(v) else v for k, v in asdict(self).items()}


class Refuter(ABC):
    """States a claim and tries to refute it.

    Attributes:
        name: what tables call it.
        asks: its question in one sentence, for reports.
        scale: what its effect is a change of, in words; effects of one scale share a drawing.
        decisive: see `Refutation`.
    """

    name: str
    asks: str = ""
    scale: str = "mean score"
    decisive: bool = True

    @abstractmethod
    def refute(self, subject: Subject, seeds: Sequence[int] = SEEDS) -> Refutation:
        """Estimate again, once per seed, and say what was found.

        Args:
            subject: what is doubted; it is left as it was.
            seeds: one or more; of what the refuter draws, and of the estimates.
        """

    def validate(self, subject: Subject, seeds: Sequence[int]) -> None:
        """Refuse, before anything is estimated, what `refute` would refuse.

        Args:
            subject: as for `refute`.
            seeds: as for `refute`.

        Raises:
            ConfigurationError: no seed; subclasses add what else they ask for.
        """
        require_seeds(seeds)

    def without_answer(self, reason: str) -> Refutation:
        """Return the refutation where the question cannot be asked, and why."""
        nan = float("nan")
        return Refutation(self.name, nan, nan, nan, "inconclusive", reason, self.decisive)


def require_seeds(seeds: Sequence[int]) -> Sequence[int]:
    """Return the seeds.

    Raises:
        ConfigurationError: there are none.
    """
    if not seeds:
        raise ConfigurationError("refuter: expected at least one seed, found none; give seeds=(0,)")
    return seeds


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
