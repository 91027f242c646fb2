"""Everything that can go wrong in a way the user can mend, as one small hierarchy.

Every message is one sentence: what was looked at, what was expected, what was found, what to do.
Command lines print it without a traceback and leave with status 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DeconfoundError(Exception):
    """Base of every error the library raises on purpose."""


class ShapeError(DeconfoundError, ValueError):
    """A tensor does not have the shape its interface promises."""


class UnknownNameError(DeconfoundError, KeyError):
    """A name that no registry, pack folder or model list knows."""

    def __str__(self) -> str:  # KeyError would print the message in quotation marks
        return str(self.args[0])


class ConfigurationError(DeconfoundError, ValueError):
    """A setting, alone or with another, that cannot work."""


class PackError(DeconfoundError, ValueError):
    """A prompt pack that cannot be read or does not follow the schema."""


class DataError(DeconfoundError, ValueError):
    """An image, mask, folder or manifest that cannot be used."""


class WeightsError(DeconfoundError, RuntimeError):
    """Weights that cannot be found, downloaded, or loaded into their model."""


class RunFolderError(DeconfoundError, RuntimeError):
    """A run folder that cannot be created, read, or resumed."""


class DeconfoundWarning(UserWarning):
    """Something legal that is rarely what one wants."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Build the error for a name that is not known, listing the near ones.

    Args:
        kind: what was looked up, in words ("region selector", "prompt pack").
        name: what was asked for.
        known: every name that would have been accepted.
    """
    return UnknownNameError(f"unknown {kind} {name!r}; {hint(name, sorted(known))}")


def hint(name: str, known: Iterable[str]) -> str:
    """Say which names are near to one that is not known, whatever its case, else all there are."""
    known = list(known)
    spelled = {k.lower(): k for k in known}
    near = [spelled[k] for k in difflib.get_close_matches(name.lower(), spelled, n=3, cutoff=0.5)]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known: {', '.join(known) or 'none'}"
