"""deconfound: named confounders, causal adjustment, any segmentation-models-pytorch decoder.

Importing this package is cheap; each name loads its part when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deconfound.dictionaries import ConfounderDictionary, TextPromptDictionary
    from deconfound.interventions import CrossAttentionIntervention, Identity, InterventionLayer
    from deconfound.losses import CausalLoss
    from deconfound.packs import PromptPack
    from deconfound.segmenter import CausalSegmenter
    from deconfound.selectors import MTRS, AllRegions, RegionSelector
    from deconfound.types import Confounders, Explanation, Intervened, Regions
    from deconfound.vlm import VisionLanguageModel

__version__ = "0.1.0"

_HOME = {
    "CausalSegmenter": "segmenter",
    "PromptPack": "packs",
    "VisionLanguageModel": "vlm",
    "RegionSelector": "selectors",
    "MTRS": "selectors",
    "AllRegions": "selectors",
    "ConfounderDictionary": "dictionaries",
    "TextPromptDictionary": "dictionaries",
    "InterventionLayer": "interventions",
    "CrossAttentionIntervention": "interventions",
    "Identity": "interventions",
    "CausalLoss": "losses",
    "Regions": "types",
    "Confounders": "types",
    "Intervened": "types",
    "Explanation": "types",
}

__all__ = [
    "MTRS",
    "AllRegions",
    "CausalLoss",
    "CausalSegmenter",
    "ConfounderDictionary",
    "Confounders",
    "CrossAttentionIntervention",
    "Explanation",
    "Identity",
    "Intervened",
    "InterventionLayer",
    "PromptPack",
    "RegionSelector",
    "Regions",
    "TextPromptDictionary",
    "VisionLanguageModel",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'deconfound' has no attribute {name!r}")
    return getattr(import_module(f"deconfound.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
