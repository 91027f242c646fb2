"""From the words of a command line to a typed record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from deconfound.errors import ConfigurationError
from deconfound.extras import missing_extra
from deconfound.settings import WrongValueError

T = TypeVar("T")


def parse(record: type[T], arguments: Sequence[str], program: str, default: T | None = None) -> T:
    """Fill a record from flags; a wrong flag exits with status 2 and suggests similar ones.

    Args:
        record: a dataclass, or :class:`~deconfound.settings.Settings`.
        arguments: the words.
        program: what the command is called.
        default: what the flags override; the record's own defaults otherwise.

    Raises:
        ConfigurationError: a value out of its range, or tyro is not installed.
    """
    try:
        import tyro
    except ImportError as error:
        raise missing_extra("tyro", "the command line") from error
    start = tyro.MISSING_NONPROP if default is None else default
    try:
        return tyro.cli(record, prog=program, args=list(arguments), default=start)
    except WrongValueError as error:
        setting, what = error.args
        raise ConfigurationError(f"{flag_of(setting)}: {what}") from error


def flag_of(field: str) -> str:
    """Return the flag of a record's field."""
    return "--json" if field == "json_output" else f"--{field.replace('_', '-')}"
