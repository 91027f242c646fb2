"""Prompt packs: the classes, the confounders and the sentences about them, as data.

A pack is one YAML file. It is looked up by name on a search path, read safely, checked against a
schema that refuses what it does not know, and turned into the sentences a text tower encodes.
"""

from __future__ import annotations

from deconfound.packs.lint import Finding, lint
from deconfound.packs.load import PromptPack
from deconfound.packs.parts import Confounder, ConfounderGroup, LesionClass, Role
from deconfound.packs.search import add_pack_path, available_packs

__all__ = [
    "Confounder",
    "ConfounderGroup",
    "Finding",
    "LesionClass",
    "PromptPack",
    "Role",
    "add_pack_path",
    "available_packs",
    "lint",
]
