"""Which of the sites that there are take part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from deconfound.errors import ConfigurationError
from deconfound.spelling import spelled


class Named(Protocol):
    """A site on disk, or one that is rendered."""

    @property
    def name(self) -> str:
        """What tables call it."""


S = TypeVar("S", bound=Named)


def chosen_sites(sites: Sequence[S], asked: Sequence[str]) -> list[S]:
    """Return the sites that are asked for, in the order in which they are found.

    Args:
        sites: all that there are.
        asked: names, in any letter case; none asks for all.

    Raises:
        UnknownNameError: a name that is no site's.
        ConfigurationError: only one site, so none can be held out.
    """
    known = [site.name for site in sites]
    wanted = {spelled(name, known) for name in asked}
    if len(wanted) == 1:
        raise ConfigurationError(
            f"--sites: expected two or more, one to hold out and others to train on, found "
            f"{asked[0]} alone; name another, or leave it out"
        )
    return [site for site in sites if not wanted or site.name in wanted]
