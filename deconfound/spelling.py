"""Names as they are spelled, from names in any letter case."""

from __future__ import annotations

from collections.abc import Iterable

from deconfound.errors import unknown_name


def spelled(name: str, known: Iterable[str], kind: str = "site") -> str:
    """Return a name as it is known.

    Args:
        name: in any letter case; one that is known as it stands is itself.
        known: the names that there are.
        kind: of name, for the error.

    Raises:
        UnknownNameError: none of them.
    """
    known = list(known)
    if name in known:
        return name
    for one in known:
        if one.lower() == name.lower():
            return one
    raise unknown_name(kind, name, known)
