"""vocalfolds: laryngoscopy of two patients in eight sequences, label maps (Laves et al. 2018)."""

from __future__ import annotations

from pathlib import Path

from deconfound.data import LabelMask, Sample, image_files, pair_by_stem, read_mask
from deconfound.data.samples import Site
from deconfound.errors import DataError

from .base import Reader, subfolder

NAME = "vocalfolds"

# 0 void, 1 vocal folds, 2 other tissue, 3 glottal space, 4 pathology, 5 surgical tool, 6 intubation
PATHOLOGY = 4
RULE = LabelMask(lesion=(PATHOLOGY,), known=tuple(range(7)))


def read(folder: Path) -> list[Site]:
    """Read ``img/patientP/seqS/NNNN.png`` beside ``annot/patientP/seqS/NNNN.png``.

    Only 58 of the frames show a pathology. The others are left out, and counted in the notes,
    because a site of nine clean frames in ten is another task. What the pathology is, nobody says:
    the class is unknown.

    Args:
        folder: any folder.
    """
    images, masks = subfolder(folder, "img"), subfolder(folder, "annot")
    if images is None or masks is None:
        return []
    samples: list[Sample] = []
    problems: list[str] = []
    for sequence in sorted(path for path in images.glob("patient*/seq*") if path.is_dir()):
        place = sequence.relative_to(images)
        truths = masks / place
        pairs, told = pair_by_stem(
            image_files(sequence), image_files(truths) if truths.is_dir() else []
        )
        group = "-".join(place.parts)
        samples += (Sample(image, mask, NAME, group, None, RULE) for image, mask in pairs)
        problems += told
    if not samples and not problems:
        return []
    kept, unreadable = _with_pathology(samples)
    clean = len(samples) - len(kept) - len(unreadable)
    notes = (f"{clean} frames without a pathology are left out",)
    return [Site(NAME, tuple(kept), (*problems, *unreadable), notes, folder)]


def _with_pathology(samples: list[Sample]) -> tuple[list[Sample], list[str]]:
    kept: list[Sample] = []
    problems: list[str] = []
    for sample in samples:
        try:
            if read_mask(sample.mask, sample.mask_rule).any():
                kept.append(sample)
        except DataError as error:
            problems.append(str(error))
    return kept, problems


READER = Reader(NAME, "vocalfolds/{img,annot}/patientP/seqS/N.png", read)
