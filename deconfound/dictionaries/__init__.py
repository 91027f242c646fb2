"""What to adjust for: confounder dictionaries."""

from deconfound.dictionaries.base import ConfounderDictionary, dictionaries
from deconfound.dictionaries.text_prompts import TextPromptDictionary

__all__ = ["ConfounderDictionary", "TextPromptDictionary", "dictionaries"]
