"""Whether the rows of a dictionary are sentences that somebody wrote."""

from __future__ import annotations

from deconfound.dictionaries.base import ConfounderDictionary, FitsData
from deconfound.dictionaries.learned import LearnedDictionary


def in_words(dictionary: ConfounderDictionary) -> bool:
    """Say whether rows are words; clusters, class means and learned vectors name nothing."""
    return not isinstance(dictionary, FitsData | LearnedDictionary)
