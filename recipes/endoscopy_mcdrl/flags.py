"""From the words of the recipe's command line to a typed record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from deconfound import flags

from .config import RecipeConfig, load_profile

T = TypeVar("T")


def parse(record: type[T], arguments: Sequence[str], program: str, default: T | None = None) -> T:
    """Fill a record from the flags of one of our commands; see `deconfound.flags.parse`."""
    return flags.parse(record, arguments, f"python -m {__package__} {program}", default)


def parse_config(arguments: Sequence[str], program: str) -> RecipeConfig:
    """Start from the profile that ``--config`` names, then let the flags override it."""
    return parse(RecipeConfig, arguments, program, default=profile_of(arguments))


def profile_of(arguments: Sequence[str]) -> RecipeConfig:
    """Return the profile that ``--config`` names, before anything else is read."""
    return load_profile(_value_of("--config", arguments) or "default")


def _value_of(flag: str, arguments: Sequence[str]) -> str | None:
    """Return what the words give for a flag."""
    for position, word in enumerate(arguments):
        if word == flag and position + 1 < len(arguments):
            return arguments[position + 1]
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None
