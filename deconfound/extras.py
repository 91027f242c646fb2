"""One sentence for the case that an optional library is not installed."""

from __future__ import annotations

from deconfound.errors import ConfigurationError


def missing_extra(library: str, purpose: str, extra: str = "recipes") -> ConfigurationError:
    """Build the error for a library that belongs to an extra of this package.

    Args:
        library: what could not be imported ("rich").
        purpose: what needs it, in words ("the results table").
        extra: whose library it is.
    """
    return ConfigurationError(
        f"{purpose} needs {library}, which is not installed; "
        f'run `pip install "deconfound[{extra}]"`'
    )
