"""What a call of the command found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from deconfound.diagnostics.refuters import overall
from deconfound.diagnostics.refuters.base import Refutation, Refuter, Verdict

Mode = Literal["inference", "retraining"]


@dataclass(frozen=True, slots=True)
class Findings:
    """The answers of all refuters about one method of a run.

    Attributes:
        method: of the run.
        images: how many were scored.
        source: where they come from, in words.
        mode: whether a trained model was run again, or the method trained again.
        intervening: whether the intervention was on when the model was saved.
        seeds: how often each refuter drew.
        answers: who was asked, and the answer, in order.
    """

    method: str
    images: int
    source: str
    mode: Mode
    intervening: bool
    seeds: int
    answers: tuple[tuple[Refuter, Refutation], ...]

    @property
    def verdict(self) -> Verdict:
        """What the decisive refuters say together."""
        return overall([answer for _, answer in self.answers])

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``refutation.json``."""
        return {
            "method": self.method,
            "images": self.images,
            "source": self.source,
            "mode": self.mode,
            "intervening": self.intervening,
            "seeds": self.seeds,
            "verdict": self.verdict,
            "refutations": [
                {**answer.to_json(), "scale": refuter.scale} for refuter, answer in self.answers
            ],
        }
