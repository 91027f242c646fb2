"""The images on which a trained model is doubted: a site, rendered or from a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deconfound.data import FolderDataset, group_ids
from deconfound.data.samples import Site
from deconfound.evenly import evenly
from deconfound.segmenter import CausalSegmenter
from deconfound.simulation import SITES, RenderedSite
from deconfound.spelling import spelled
from deconfound.training.rendered import as_memory

#: Added to a run's seed: pictures that it has not rendered.
OTHER_PICTURES = 1000


@dataclass(frozen=True)
class Pictures:
    """Images with masks.

    Attributes:
        images: a dataset of items with ``image`` and ``mask``.
        groups: the patient of each image.
        source: where they come from, in words.
    """

    images: Any
    groups: list[str]
    source: str


def rendered(name: str | None, count: int, size: int, seed: int, multiclass: bool) -> Pictures:
    """Render pictures that no run has seen, where confounders do not go with classes.

    Args:
        name: of the site, in any letter case; None is the last.
        count: how many.
        size: pixels along each side.
        seed: the run's.
        multiclass: masks hold the class; else 1 for any lesion.

    Raises:
        UnknownNameError: no such site.
    """
    sites = {site.name: site for site in SITES}
    name = _known(name, list(sites), "rendered site")
    drawn = RenderedSite(sites[name], size, count, seed + OTHER_PICTURES)
    return Pictures(as_memory(drawn, multiclass), drawn.groups, f"rendered site {name}")


def stored(
    path: Path,
    sites: Sequence[Site],
    name: str | None,
    count: int,
    size: int,
    model: CausalSegmenter,
) -> Pictures:
    """Read the images of one of the sites that were found at a path.

    Args:
        path: manifest or folder, for messages.
        sites: what is there.
        name: of the site, in any letter case; None is the last.
        count: at most this many, evenly from the whole site.
        size: pixels along each side.
        model: which decides about classes.

    Raises:
        DataError: a site that cannot be used.
        UnknownNameError: no such site.
    """
    named = {site.name: site for site in sites}
    site = named[_known(name, list(named), f"site of {path}")]
    site.require_sound()
    samples = [site.samples[i] for i in evenly(len(site.samples), count)]
    dataset = FolderDataset(
        samples, size, model.pack.class_names, multiclass=model.classes > 1, cache_bytes=1 << 28
    )
    return Pictures(dataset, group_ids(samples), f"site {site.name} of {path.name}")


def _known(name: str | None, known: Sequence[str], kind: str) -> str:
    return known[-1] if name is None else spelled(name, known, kind)
