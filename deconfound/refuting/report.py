"""The page of a refutation: one HTML file that needs nothing but a browser."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from deconfound.diagnostics.refuters.base import Refutation, Refuter
from deconfound.refuting.findings import Findings
from deconfound.refuting.prose import reading
from deconfound.training.files import unwritable, write_text
from deconfound.training.report.page import fill
from deconfound.training.table import signed


def write_report(path: Path, found: Findings, command: str) -> Path:
    """Write the page.

    Args:
        path: the file; its folder is made where it is missing.
        found: what it says.
        command: that gives it again.

    Raises:
        ConfigurationError: Jinja2 or matplotlib is not installed.
        RunFolderError: the file cannot be written.
    """
    from deconfound.refuting.figures import answer_panels

    decisive = [answer for _, answer in found.answers if answer.decisive]
    asked = [answer for answer in decisive if answer.answered]
    values = {
        "found": found,
        "counts": {
            verdict: sum(answer.verdict == verdict for answer in asked)
            for verdict in ("supported", "refuted", "inconclusive")
        },
        "unanswered": len(decisive) - len(asked),
        "reading": reading(found),
        "panels": answer_panels(found.answers),
        "rows": [_row(*answer) for answer in found.answers],
        "command": command,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    write_text(path, fill("deconfound.refuting", values))
    return path


def _row(refuter: Refuter, answer: Refutation) -> dict[str, Any]:
    """Lay one refuter out; effects on the scale of the score are points, others as they are."""
    usual = refuter.scale == Refuter.scale
    show = partial(signed, digits=2) if usual else _plain
    return {
        "name": answer.name,
        "asks": refuter.asks,
        "scale": "" if usual or not answer.answered else refuter.scale,
        "decisive": answer.decisive,
        "asked": answer.answered,
        "effect": show(answer.effect) if answer.answered else "",
        "interval": f"{show(answer.low)} to {show(answer.high)}" if answer.answered else "",
        "verdict": answer.verdict,
        "reason": answer.reason,
    }


def _plain(value: float) -> str:
    return f"{value:+z.3f}".replace("-", "−")
