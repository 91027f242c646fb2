"""What to adjust for: confounder dictionaries."""

from deconfound.dictionaries.base import ConfounderDictionary, FitsData, dictionaries
from deconfound.dictionaries.class_means import ClassMeanDictionary
from deconfound.dictionaries.kmeans import KMeansDictionary
from deconfound.dictionaries.learned import LearnedDictionary
from deconfound.dictionaries.prototypes import PrototypeDictionary
from deconfound.dictionaries.text_prompts import TextPromptDictionary

__all__ = [
    "ClassMeanDictionary",
    "ConfounderDictionary",
    "FitsData",
    "KMeansDictionary",
    "LearnedDictionary",
    "PrototypeDictionary",
    "TextPromptDictionary",
    "dictionaries",
]
