"""What any recipe needs besides the model: schedule, loop, metrics, run folder, table, report.

Importing this package is cheap. The loop loads Lightning Fabric, the table rich, the report Jinja2
and matplotlib, each when it is first used; ``pip install "deconfound[recipes]"`` brings them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deconfound.training.adjusting import build_adjustment
    from deconfound.training.adjustment import Adjustment, AdjustmentSettings
    from deconfound.training.distributed import launch
    from deconfound.training.engine import fit
    from deconfound.training.evaluation import evaluate
    from deconfound.training.fitting import fit_parts
    from deconfound.training.history import EpochRecord, History
    from deconfound.training.metrics import MethodResult, Scores, ScoresRow, SegmentationMetrics
    from deconfound.training.model_training import ModelTraining
    from deconfound.training.priors import fit_prior
    from deconfound.training.processes import is_main_process
    from deconfound.training.progress import TrainingProgress, Watcher
    from deconfound.training.report import ReportContext, write_report
    from deconfound.training.run_folder import RunFolder
    from deconfound.training.schedule import Schedule, learning_rate_factor
    from deconfound.training.settings import TrainingSettings
    from deconfound.training.table import results_json, results_table

_HOME = {
    "Adjustment": "adjustment",
    "AdjustmentSettings": "adjustment",
    "EpochRecord": "history",
    "History": "history",
    "MethodResult": "metrics",
    "ModelTraining": "model_training",
    "ReportContext": "report",
    "RunFolder": "run_folder",
    "Schedule": "schedule",
    "Scores": "metrics",
    "ScoresRow": "metrics",
    "SegmentationMetrics": "metrics",
    "TrainingProgress": "progress",
    "TrainingSettings": "settings",
    "Watcher": "progress",
    "build_adjustment": "adjusting",
    "evaluate": "evaluation",
    "fit": "engine",
    "fit_parts": "fitting",
    "fit_prior": "priors",
    "is_main_process": "processes",
    "launch": "distributed",
    "learning_rate_factor": "schedule",
    "results_json": "table",
    "results_table": "table",
    "write_report": "report",
}

__all__ = [
    "Adjustment",
    "AdjustmentSettings",
    "EpochRecord",
    "History",
    "MethodResult",
    "ModelTraining",
    "ReportContext",
    "RunFolder",
    "Schedule",
    "Scores",
    "ScoresRow",
    "SegmentationMetrics",
    "TrainingProgress",
    "TrainingSettings",
    "Watcher",
    "build_adjustment",
    "evaluate",
    "fit",
    "fit_parts",
    "fit_prior",
    "is_main_process",
    "launch",
    "learning_rate_factor",
    "results_json",
    "results_table",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Load the module that holds ``name`` when it is first asked for (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
