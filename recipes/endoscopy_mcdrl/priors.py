"""P(z) from the flag ``--prior``: uniform, empirical, or a number for each confounder by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from deconfound.dictionaries.prior import as_prior
from deconfound.errors import ConfigurationError, unknown_name

from .config import RecipeConfig

KINDS = ("uniform", "empirical")

OF_GROUPS = {"uniform": "uniform", "empirical": "frequency"}
"""What prototypes, which are made of the training images, call them."""


def prior_of(config: RecipeConfig, names: Sequence[str]) -> dict[str, Any]:
    """Return the prior that is asked for, as options of the dictionary; none is its own.

    One of words is empirical only once it has seen images: see `is_read`.

    Args:
        config: the settings.
        names: the pack's confounders.

    Raises:
        UnknownNameError: another word, or a confounder that the pack does not have.
        ConfigurationError: numbers that make no distribution, a confounder without one, or a
            dictionary that cannot have such a prior.
    """
    kind = _kind(config)
    if kind is None:
        return {}
    if config.dictionary == "text":
        return {"prior": _numbers(config.prior, names)} if kind == "numbers" else {}
    if kind == "numbers" or (kind == "empirical" and config.dictionary == "learned"):
        raise ConfigurationError(
            f"--prior {' '.join(config.prior)}: expected the dictionary text, whose rows have "
            f"names, found {config.dictionary}; leave one of the two flags out"
        )
    return {} if config.dictionary == "learned" else {"prior": OF_GROUPS[kind]}


def is_read(config: RecipeConfig) -> bool:
    """Say whether the vision-language model has to read P(z) in the training images."""
    return config.dictionary == "text" and _kind(config) == "empirical"


def _kind(config: RecipeConfig) -> str | None:
    """Return uniform, empirical or numbers; None where nothing is asked for."""
    words = config.prior
    if not words:
        return None
    if len(words) == 1 and "=" not in words[0]:
        if words[0] not in KINDS:
            raise unknown_name("prior", words[0], KINDS)
        return words[0]
    return "numbers"


def _numbers(words: Sequence[str], names: Sequence[str]) -> Tensor:
    """Return P(z) of the names, in their order, from words NAME=NUMBER."""
    found: dict[str, float] = {}
    for word in words:
        name, number = _parsed(word)
        if name not in names:
            raise unknown_name("confounder of --prior", name, names)
        if name in found:
            raise ConfigurationError(f"--prior: expected one number for {name}, found two")
        found[name] = number
    if missing := [name for name in names if name not in found]:
        raise ConfigurationError(
            f"--prior: expected a number for each of the pack's confounders, found none for "
            f"{', '.join(missing)}; 0 leaves one out of the sum"
        )
    return as_prior([found[name] for name in names], names)


def _parsed(word: str) -> tuple[str, float]:
    name, _, number = word.rpartition("=")
    try:
        return name, float(number)
    except ValueError:
        raise ConfigurationError(
            f"--prior: expected uniform, empirical, or NAME=NUMBER for each confounder, "
            f"found {word!r}"
        ) from None
