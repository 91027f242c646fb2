"""Which operation draws a confounder of a pack."""

from __future__ import annotations

from deconfound.errors import unknown_name
from deconfound.estimators.doing.operations import OPERATIONS, suggested
from deconfound.packs import Confounder

NOTHING = "nothing"
"""What a pack says of a confounder that no operation draws, whatever its words suggest."""


def operation_for(confounder: Confounder) -> str | None:
    """Return the operation that a confounder names, or else the one that its words suggest.

    Returns:
        A name out of `OPERATIONS`; None where nothing draws it, or where the pack says so.

    Raises:
        UnknownNameError: an operation that does not exist; the near names are listed.
    """
    name = confounder.render or suggested(confounder.text)
    if name in (None, NOTHING):
        return None
    if name not in OPERATIONS:
        raise unknown_name("render operation", name, [*OPERATIONS, NOTHING])
    return name
