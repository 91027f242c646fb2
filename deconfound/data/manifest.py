"""manifest.csv: anyone's own sites, a line for every image."""

from __future__ import annotations

import csv
import difflib
import os
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

from deconfound.data.masks import BinaryMask, MaskRule, NamedMask
from deconfound.data.samples import Sample, Site
from deconfound.errors import DataError

REQUIRED = ("image", "mask", "site")
OPTIONAL = ("group", "class")
LAYOUT = "manifest.csv with the columns image, mask, site[, group][, class]"


def read_manifest(
    path: Path, mask_rule: MaskRule | None = None, site: str | None = None
) -> list[Site]:
    """Read a manifest.

    Args:
        path: a CSV file in UTF-8, separated by commas or semicolons. ``image`` and ``mask`` are
            paths relative to it; ``group`` (patient or sequence) and ``class`` may be absent or
            empty; further columns are ignored and named in the sites' notes.
        mask_rule: how to read the masks; by default lesion or not, and where the class is named a
            map of one label too.
        site: the site of every line that names none; the column is then not needed.

    Returns:
        The sites in order of appearance. A line whose image or mask file is missing becomes a
        problem of its site.

    Raises:
        DataError: unreadable, a missing column, a line without a needed value, an image listed
            twice.
    """
    samples: dict[str, list[Sample]] = {}
    problems: dict[str, list[str]] = {}
    required = REQUIRED if site is None else REQUIRED[:-1]
    header, rows = _rows(path, required)
    seen: dict[Path, int] = {}
    for line, row in rows:
        _require(path, line, row, required)
        sample = _sample(path, row, mask_rule, site)
        file = Path(os.path.normpath(sample.image))
        if file in seen:
            raise DataError(
                f"{path}, line {line}: {file.name} is already on line {seen[file]}; "
                f"keep one of them"
            )
        seen[file] = line
        missing = [x for x in (sample.image, sample.mask) if not x.is_file()]
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


def _rows(
    path: Path, required: Sequence[str]
) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
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
    _check_header(path, header, required)
    for line, cells in numbered[1:]:
        if any(cells[len(header) :]):
            raise DataError(
                f"{path}, line {line}: expected {len(header)} cells, found {len(cells)}; put those "
                f"that hold a separator in quotation marks"
            )
    return header, [
        (line, dict(zip(header, cells, strict=False))) for line, cells in numbered[1:] if any(cells)
    ]


def _check_header(path: Path, header: list[str], required: Sequence[str]) -> None:
    for column in required:
        if column not in header:
            near = difflib.get_close_matches(column, header, n=1, cutoff=0.6)
            remedy = f"rename {near[0]!r} if it is that" if near else "add it to every line"
            raise DataError(
                f"{path}, line 1: expected the columns {', '.join(required)}, found "
                f"{', '.join(filter(None, header)) or 'none'}; {column!r} is missing: {remedy}"
            )
    for column in (*REQUIRED, *OPTIONAL):
        if header.count(column) > 1:
            raise DataError(
                f"{path}, line 1: the column {column!r} appears twice; keep one of them"
            )


def _require(path: Path, line: int, row: dict[str, str], required: Sequence[str]) -> None:
    for column in required:
        if not row.get(column):
            raise DataError(f"{path}, line {line}: {column!r} is empty; fill it or remove the line")


def _sample(path: Path, row: dict[str, str], rule: MaskRule | None, site: str | None) -> Sample:
    usual = NamedMask() if row.get("class") else BinaryMask()
    return Sample(
        image=path.parent / _slashes(row["image"]),
        mask=path.parent / _slashes(row["mask"]),
        site=row.get("site") or site or "",
        group=row.get("group") or None,
        class_name=row.get("class") or None,
        mask_rule=rule or usual,
    )


def _slashes(cell: str) -> str:
    """The path in a cell, also where Windows wrote it."""
    return PureWindowsPath(cell).as_posix() if "\\" in cell else cell
