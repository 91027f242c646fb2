"""The answers in plain words: what they say, and what they do not."""

from __future__ import annotations

from deconfound.diagnostics.refuters.base import Verdict
from deconfound.refuting.findings import Findings


def reading(found: Findings) -> list[str]:
    """Return the paragraphs of the plain-words section."""
    paragraphs = [_verdict(found), _mode(found), _unanswered(found)]
    return [paragraph for paragraph in paragraphs if paragraph]


def _verdict(found: Findings) -> str:
    if found.verdict == "refuted":
        return (
            f"Refuted by {_names(found, 'refuted')}. If the adjustment were real, each of these "
            f"claims would hold; the whole interval says that it does not."
        )
    if found.verdict == "supported":
        return (
            f"Every claim that could be tested holds: {_names(found, 'supported')}. That "
            f"proves no adjustment; it had the chance to fail, and did not."
        )
    open_claims = _names(found, "inconclusive")
    if not open_claims:
        return "No decisive claim could be tested here."
    return (
        f"Not decided: no claim is refuted, but intervals are too wide to support {open_claims}. "
        f"More images, and of more patients, make them narrower."
    )


def _mode(found: Findings) -> str:
    times = f"{found.seeds} times" if found.seeds > 1 else "once"
    if found.mode == "retraining":
        alone = "" if found.seeds > 1 else " Once is one draw: intervals are over images alone."
        return (
            f"The method, {found.method}, was trained again with every dictionary, {times} each, "
            f"and never met another one: the answers are about the method, not about one model of "
            f"it. The sentences of the causal loss, and what is drawn onto training pictures, "
            f"stayed those of the pack.{alone}"
        )
    told = (
        f"The trained model of {found.method} was run again with every dictionary. The answers are "
        f"about what this model does: one that has learned to need exactly these vectors loses "
        f"with others without adjusting for anything. Training again (--retrain) tests the method."
    )
    if found.intervening:
        return told
    return f"{told} The model was saved before its intervention was turned on, and bypasses it."


def _unanswered(found: Findings) -> str:
    names = [one.name for _, one in found.answers if not one.answered]
    if not names:
        return ""
    return f"Without an answer here: {_listed(names)}; the table says why."


def _names(found: Findings, verdict: Verdict) -> str:
    return _listed(
        [
            one.name
            for _, one in found.answers
            if one.decisive and one.verdict == verdict and one.answered
        ]
    )


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
