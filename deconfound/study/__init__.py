"""The statistics of a study: many methods, seeds and held-out sites, one row for every image.

Importing this package is cheap: torch, pandas and MONAI load with the function that needs them, and
``pip install "deconfound[recipes]"`` brings them. How a number is made: docs/protocol.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deconfound.study.images import score_images
    from deconfound.study.results import read_results, write_results
    from deconfound.study.statistics import PairedInterval, paired_bootstrap, summarise
    from deconfound.study.surface import surface_scores

_HOME = {
    "PairedInterval": "statistics",
    "paired_bootstrap": "statistics",
    "read_results": "results",
    "score_images": "images",
    "summarise": "statistics",
    "surface_scores": "surface",
    "write_results": "results",
}

__all__ = [
    "PairedInterval",
    "paired_bootstrap",
    "read_results",
    "score_images",
    "summarise",
    "surface_scores",
    "write_results",
]


def __getattr__(name: str) -> Any:
    """Load the module that holds ``name`` when it is first asked for (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
