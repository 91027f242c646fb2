"""Sites whose files store blue first, which nothing in a file says: they are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deconfound.data.samples import Site
from deconfound.spelling import spelled

NOTE = "channels are read as blue, green, red"
"""What a site that is turned says of itself."""


def blue_first(sites: Sequence[Site], names: Sequence[str]) -> list[Site]:
    """Return sites of which some are read as blue, green, red.

    Args:
        sites: as any reader found them.
        names: of those whose files hold blue first; case does not count.

    Raises:
        UnknownNameError: a name that is no site's, as a slip would feed BGR as RGB unseen.
    """
    known = [site.name for site in sites]
    turned = {spelled(name, known, "site in --bgr") for name in names}
    return [_turned(site) if site.name in turned else site for site in sites]


def _turned(site: Site) -> Site:
    samples = tuple(replace(sample, channel_order="bgr") for sample in site.samples)
    notes = site.notes if NOTE in site.notes else (*site.notes, NOTE)
    return replace(site, samples=samples, notes=notes)
