"""Anyone's own sites, through a manifest.csv that speaks for everything in its folder."""

from __future__ import annotations

from pathlib import Path

from deconfound.data import read_manifest
from deconfound.data.manifest import LAYOUT
from deconfound.data.samples import Site

from .base import Reader


def read(folder: Path) -> list[Site]:
    """Read ``manifest.csv``.

    Args:
        folder: any folder.

    Raises:
        DataError: a manifest that cannot be read.
    """
    path = folder / "manifest.csv"
    return read_manifest(path) if path.is_file() else []


READER = Reader("manifest", f"a {LAYOUT}", read)
