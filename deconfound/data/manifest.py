"""manifest.csv: anyone's own sites, a line for every image."""

from __future__ import annotations

import csv
import difflib
from pathlib import Path

from deconfound.data.masks import BinaryMask, MaskRule
from deconfound.data.samples import Sample, Site
from deconfound.errors import DataError

REQUIRED = ("image", "mask", "site")
OPTIONAL = ("group", "class")
LAYOUT = "manifest.csv with the columns image, mask, site[, group][, class]"


def read_manifest(path: Path, mask_rule: MaskRule | None = None) -> list[Site]:
    """Read a manifest.

    Args:
        path: a CSV file in UTF-8, separated by commas or semicolons. ``image`` and ``mask`` are
            paths relative to it; ``group`` (patient or sequence) and ``class`` may be absent or
            empty; further columns are ignored and named in the sites' notes.
        mask_rule: how to read the masks; binary by default.

    Returns:
        The sites in order of appearance. A line whose image or mask file is missing becomes a
        problem of its site.

    Raises:
        DataError: unreadable, a missing column, a line without a needed value, an image listed
            twice.
    """
    rule = mask_rule or BinaryMask()
    samples: dict[str, list[Sample]] = {}
    problems: dict[str, list[str]] = {}
    header, rows = _rows(path)
    seen: dict[Path, int] = {}
    for line, row in rows:
        sample = _sample(path, line, row, rule)
        if sample.image in seen:
            raise DataError(
                f"{path}, line {line}: {sample.image.name} is already on line "
                f"{seen[sample.image]}; keep one of them"
            )
        seen[sample.image] = line
        missing = [file for file in (sample.image, sample.mask) if not file.is_file()]
        kept = samples.setdefault(sample.site, [])
        told = problems.setdefault(sample.site, [])
        if missing:
            told.append(f"{path}, line {line}: {missing[0]} is missing; add it or remove the line")
        else:
            kept.append(sample)
    if not samples:
        raise DataError(f"{path}: expected a line for every image, found none; fill the manifest")
    extra = [column for column in header if column not in (*REQUIRED, *OPTIONAL)]
    notes = (f"columns not used: {', '.join(extra)}",) if extra else ()
    return [
        Site(name, tuple(kept), tuple(problems[name]), notes, path.parent)
        for name, kept in samples.items()
    ]


def _rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The header, and every line that is not empty with its number."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
        first = lines[0] if lines else ""
        reader = csv.reader(lines, delimiter=";" if first.count(";") > first.count(",") else ",")
        numbered = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: the manifest cannot be read ({error}); check the file and save it as UTF-8"
        ) from error
    header = numbered[0][1] if numbered else []
    _check_header(path, header)
    return header, [
        (line, dict(zip(header, cells, strict=False))) for line, cells in numbered[1:] if any(cells)
    ]


def _check_header(path: Path, header: list[str]) -> None:
    for column in REQUIRED:
        if column not in header:
            near = difflib.get_close_matches(column, header, n=1, cutoff=0.6)
            found = f"is {near[0]!r} it?" if near else f"found: {', '.join(header) or 'nothing'}"
            raise DataError(f"{path}, line 1: the column {column!r} is missing; {found}")
    for column in (*REQUIRED, *OPTIONAL):
        if header.count(column) > 1:
            raise DataError(
                f"{path}, line 1: the column {column!r} appears twice; keep one of them"
            )


def _sample(path: Path, line: int, row: dict[str, str], rule: MaskRule) -> Sample:
    for column in REQUIRED:
        if not row.get(column):
            raise DataError(f"{path}, line {line}: {column!r} is empty; fill it or remove the line")
    return Sample(
        image=path.parent / row["image"],
        mask=path.parent / row["mask"],
        site=row["site"],
        group=row.get("group") or None,
        class_name=row.get("class") or None,
        mask_rule=rule,
    )
