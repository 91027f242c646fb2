"""Who adjusts? Many small models in worlds whose interventional distribution can be sampled."""

from deconfound.benchmark.cells import Cell, Outcome, plan
from deconfound.benchmark.settings import BenchmarkSettings
from deconfound.benchmark.summary import Estimate, Share, closed_share, ratio

__all__ = [
    "BenchmarkSettings",
    "Cell",
    "Estimate",
    "Outcome",
    "Share",
    "closed_share",
    "plan",
    "ratio",
]
