"""From a folder to the sites that lie in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deconfound.data import read_manifest
from deconfound.data.channels import blue_first
from deconfound.data.samples import Site
from deconfound.errors import DataError

from . import (
    bm_broncholc,
    cvc_clinicdb,
    etis,
    kvasir,
    laryngoscope8,
    manifest,
    polypgen,
    vocalfolds,
)
from .base import Reader, subfolder

# In the order in which they are asked: one dataset has a manifest of its own, and where there is
# any, it speaks for its folder.
READERS: tuple[Reader, ...] = (
    laryngoscope8.READER,
    manifest.READER,
    bm_broncholc.READER,
    kvasir.READER,
    cvc_clinicdb.READER,
    etis.READER,
    polypgen.READER,
    vocalfolds.READER,
)
MAX_DEPTH = 2


Ignored = tuple[tuple[Path, str], ...]
"""Folders that no reader knows, each with a word about why."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What lies in a folder.

    Attributes:
        sites: those that a reader knows, in the order of their folders.
        ignored: folders that none knows, each with a word about why.
    """

    sites: tuple[Site, ...]
    ignored: Ignored = ()


def discover(folder: Path, bgr: Sequence[str] = ()) -> list[Site]:
    """Find the sites in a folder; see `survey`, which also says what was ignored."""
    return list(survey(folder, bgr).sites)


def survey(folder: Path, bgr: Sequence[str] = ()) -> Survey:
    """Find the sites in a folder.

    Args:
        folder: a dataset in its released layout; a folder of datasets, at most two levels deep; a
            folder with a manifest.csv, which then speaks for everything in it; or such a CSV file
            itself.
        bgr: names of the sites whose files store blue first, whichever reader knows them.

    Raises:
        DataError: no such folder, nothing known in it, or two folders that hold the same site.
        UnknownNameError: a name in ``bgr`` that is no site's.
    """
    found = _found(Path(folder))
    return replace(found, sites=tuple(blue_first(found.sites, bgr)))


def _found(folder: Path) -> Survey:
    if folder.is_file() and folder.suffix.lower() == ".csv":
        return Survey(tuple(read_manifest(folder)))
    if not folder.is_dir():
        raise DataError(
            f"{folder}: expected a folder with datasets or a manifest, found nothing; check the "
            f"path; known are {_layouts()}"
        )
    sites: list[Site] = []
    ignored: list[tuple[Path, str]] = []
    try:
        _walk(folder, 0, sites, ignored)
    except PermissionError as error:
        raise DataError(
            f"{error.filename}: the folder cannot be listed; ask for permission to read it"
        ) from error
    if not sites:
        for place in (folder, *(path for path, _ in ignored)):
            if why := _why_not(place):
                raise DataError(f"{place}: {why}")
        raise DataError(f"{folder}: found no dataset in a known layout; known are {_layouts()}")
    _refuse_namesakes(sites)
    return Survey(tuple(sites), tuple(ignored))


def _walk(folder: Path, depth: int, sites: list[Site], ignored: list[tuple[Path, str]]) -> None:
    """Read ``folder``, or what is in it; a folder without anything known is ignored as a whole."""
    found = _read(folder)
    if found:
        sites += found
        return
    below: list[Site] = []
    ignored_below: list[tuple[Path, str]] = []
    for child in _children(folder) if depth < MAX_DEPTH else ():
        _walk(child, depth + 1, below, ignored_below)
    if below or depth == 0:
        sites += below
        ignored += ignored_below
    else:
        ignored.append((folder, _word(folder)))


def _read(folder: Path) -> list[Site]:
    return next((sites for reader in READERS if (sites := reader.read(folder))), [])


def _why_not(folder: Path) -> str | None:
    """What a folder needs that a reader recognises and yet cannot read."""
    return next((why for reader in READERS if (why := reader.why_not(folder))), None)


def _children(folder: Path) -> Iterator[Path]:
    for child in sorted(folder.iterdir()):
        if child.is_dir() and not child.name.startswith((".", "__")):
            yield child


def _word(folder: Path) -> str:
    """Why a folder is ignored, and what would make it known."""
    if why := _why_not(folder):
        return why
    for place in (folder, *_children(folder)):
        if subfolder(place, "images") and subfolder(place, "masks"):
            return (
                "images and masks of no dataset known by its names; a manifest.csv makes it a site"
            )
    return "no known layout; a manifest.csv makes it a site"


def _layouts() -> str:
    return "; ".join(reader.layout for reader in READERS)


def _refuse_namesakes(sites: list[Site]) -> None:
    first: dict[str, Site] = {}
    for site in sites:
        other = first.setdefault(site.name, site)
        if other is not site:
            raise DataError(
                f"{site.folder}: {other.folder} holds {site.name} already; "
                f"point at one of them, or move one away"
            )
