"""The report: one self-contained page that a clinician can read and a colleague can check."""

from __future__ import annotations

from deconfound.training.report.context import (
    Adjusted,
    ConfounderEntry,
    Example,
    ReportContext,
    Weighed,
)
from deconfound.training.report.report import render_report, write_report

__all__ = [
    "Adjusted",
    "ConfounderEntry",
    "Example",
    "ReportContext",
    "Weighed",
    "render_report",
    "write_report",
]
