"""Worlds by name, told apart by who could undo their confounding."""

from __future__ import annotations

from deconfound.simulation.scm.rendered import RenderedSCM
from deconfound.simulation.scm.structure import edges

WORLDS: dict[str, RenderedSCM] = {
    scm.name: scm
    for scm in (
        RenderedSCM(
            "renderable",
            edges(
                polyp="nbi",
                tumor="dark",
                inflammation="white_light",
                nodule="near_view",
                cyst="bright",
            ),
        ),
        RenderedSCM(
            "mixed",
            edges(
                polyp="nbi",
                tumor="dark",
                inflammation="palette white_light",
                nodule="vignette",
                cyst="bright",
            ),
        ),
        RenderedSCM("unrenderable", edges(polyp="palette", tumor="anatomy", nodule="vignette")),
    )
}
"""All confounders can be drawn onto a finished picture; a third of the edges cannot; none can."""
