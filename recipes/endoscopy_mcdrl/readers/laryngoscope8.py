"""Laryngoscope8: laryngoscopy of 1,950 people, released with labels of images but without masks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from deconfound.data import BinaryMask, NamedMask, Sample, read_manifest
from deconfound.data.samples import Site

from .base import Reader, is_named

NAME = "Laryngoscope8"

# What the release calls its images, and the pack's class of each; None is no lesion. A name that
# is in neither of these is taken for a class of the pack.
CLASSES: dict[str, str | None] = {
    "glottic cancer": "tumor",
    "polyps": "polyp",
    "nodules": "nodule",
    "cyst": "cyst",
    "normal": None,
}
NO_CLASS = ("granuloma", "leukoplakia", "reinke's edema")
"""Lesions that the pack has no class for."""


@dataclass(frozen=True, slots=True)
class UnnamedLesion(NamedMask):
    """Lesion or not, where the lesion has no class: no mask of classes, even if it holds 1."""


def read(folder: Path) -> list[Site]:
    """Read one's own masks through ``manifest.csv`` with ``image, mask[, group][, class]``.

    Only a folder that is named after the dataset is looked at. Masks are never derived from the
    labels: without a manifest nothing is read, and `why_not` says what is needed. Lesions of
    `NO_CLASS` are lesions all the same; telling lesions apart, they are refused.

    Args:
        folder: any folder.

    Raises:
        DataError: a manifest that cannot be read.
    """
    manifest = folder / "manifest.csv"
    if not is_named(folder, NAME) or not manifest.is_file():
        return []
    return [_mapped(site) for site in read_manifest(manifest, site=NAME)]


def why_not(folder: Path) -> str | None:
    """Say what a bare release needs."""
    if not is_named(folder, NAME):
        return None
    return (
        "Laryngoscope8 was released without masks; put a manifest.csv with the columns "
        "image, mask[, group][, class] of your own masks into it"
    )


def _mapped(site: Site) -> Site:
    samples = tuple(_in_the_pack_s_words(sample) for sample in site.samples)
    return replace(site, samples=samples, notes=(*site.notes, "masks are those of the manifest"))


def _in_the_pack_s_words(sample: Sample) -> Sample:
    name = _released_name(sample)
    if name in NO_CLASS:
        return replace(sample, class_name=None, mask_rule=UnnamedLesion())
    named = CLASSES.get(name, sample.class_name)
    # "Normal" is none of the pack's classes: what its mask shows, the mask itself has to say.
    return replace(sample, class_name=named, mask_rule=sample.mask_rule if named else BinaryMask())


def _released_name(sample: Sample) -> str:
    return (sample.class_name or "").casefold().replace("’", "'")


READER = Reader(
    NAME, "Laryngoscope8 with a manifest.csv of image, mask[, group][, class]", read, why_not
)
