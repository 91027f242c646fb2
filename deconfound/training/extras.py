"""One sentence for the case that an optional library is not installed."""

from __future__ import annotations

from deconfound.errors import ConfigurationError


def missing_extra(library: str, purpose: str) -> ConfigurationError:
    """Build the error for a library that belongs to the ``recipes`` extra.

    Args:
        library: what could not be imported ("rich").
        purpose: what needs it, in words ("the results table").
    """
    return ConfigurationError(
        f"{purpose} needs {library}, which is not installed; "
        f'run `pip install "deconfound[recipes]"`'
    )
