"""What was learned, to look at: t-SNE of lesions, and masks on frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deconfound.errors import ConfigurationError

from ..cells import Cell
from ..settings import StudySettings
from ..store import Store
from . import qualitative, tsne

SHOWN = ("baseline", "mcdrl", "adjusted")
"""Methods of the figures, as far as they are compared."""


def shown(settings: StudySettings, holdouts: Sequence[str], needs_pictures: bool) -> StudySettings:
    """Return the settings of what a figure shows, which is all that it has trained.

    It shows the first held-out site, the first backbone, the first seed, and `SHOWN`.

    Args:
        settings: of the study.
        holdouts: its held-out sites.
        needs_pictures: whether the figure shows frames.

    Raises:
        ConfigurationError: no method that figures show, or pictures were to be left out.
    """
    methods = tuple(method for method in SHOWN if method in settings.methods)
    if not methods:
        raise ConfigurationError(
            f"figure: expected one of {', '.join(SHOWN)} among --methods, found none"
        )
    if needs_pictures and not settings.pictures:
        raise ConfigurationError(
            "figure qualitative: expected permission to show frames, found --no-pictures; "
            "leave one out"
        )
    first = {"holdouts": (holdouts[0],), "backbones": settings.all_backbones[:1]}
    return settings.model_copy(update={**first, "methods": methods, "seeds": 1})


Draw = Callable[[Sequence[Cell], StudySettings, Store], Path]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that can be asked for.

    Attributes:
        draw: draws finished cells, and returns where.
        needs_pictures: whether it shows frames.
        require: raises what can be said of the settings before anything is trained.
    """

    draw: Draw
    needs_pictures: bool
    require: Callable[[StudySettings], None] = lambda settings: None


FIGURES: Mapping[str, Figure] = {
    "tsne": Figure(tsne.draw, needs_pictures=False, require=tsne.require_lesions),
    "qualitative": Figure(qualitative.draw, needs_pictures=True),
}
