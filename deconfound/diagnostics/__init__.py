"""Is the adjustment real? Quantities that say so, each a function that returns arrays."""

from deconfound.diagnostics.dictionary_health import (
    DictionaryHealth,
    NearDuplicate,
    dictionary_health,
    effective_rank,
)
from deconfound.diagnostics.jensen import jensen_gap

__all__ = [
    "DictionaryHealth",
    "NearDuplicate",
    "dictionary_health",
    "effective_rank",
    "jensen_gap",
]
