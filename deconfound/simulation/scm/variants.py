"""Confounders that no operation on a finished picture can make: another palette, wall or scope.

They are set where the picture comes from, by rendering the same scene at a site that differs in one
thing. An estimator that draws confounders onto pictures cannot reach them; results for them are
reported apart.
"""

from __future__ import annotations

from dataclasses import replace

from deconfound.simulation.names import CONFOUNDERS
from deconfound.simulation.sites import SITES, Palette, Site

UNRENDERABLE: tuple[str, ...] = ("palette", "anatomy", "vignette")
"""Tissue of other colours; another kind of wall; a scope that sees less."""

SETTABLE: tuple[str, ...] = CONFOUNDERS + UNRENDERABLE
"""Every confounder that a world can set; positions are what records hold."""

_LIVID = Palette((0.45, 0.22, 0.30), (0.62, 0.38, 0.48), (0.25, 0.03, 0.10), (1.0, 0.90, 0.95))

_OTHER_WALL = {"tube": SITES[1].anatomy, "airway": SITES[2].anatomy, "glottis": SITES[0].anatomy}


def variant(site: Site, confounder: str) -> Site:
    """Return the site as one confounder makes it; its own name, so that scenes stay the same.

    Args:
        site: where the scene is.
        confounder: one of `SETTABLE`; those that `render` takes as strengths change no site.
    """
    if confounder == "palette":
        return replace(site, palette=_LIVID)
    if confounder == "anatomy":
        other = _OTHER_WALL[site.anatomy.kind]  # under the same camera: the lesion stays in place
        return replace(site, anatomy=replace(other, off_centre=site.anatomy.off_centre))
    if confounder == "vignette":
        return replace(site, stop="narrow")
    return site
