"""The tidy table of a study: one row for every image that a trained model was scored on."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deconfound.errors import DataError
from deconfound.extras import missing_extra
from deconfound.training.files import write_atomically

if TYPE_CHECKING:
    from pandas import DataFrame, Series

#: What a row belongs to; no two rows share all of these.
KEY = ("method", "backbone", "holdout", "seed", "setting", "image")

#: Lesion pixels found, made up and missed, and background left alone, of one image.
COUNTS = ("tp", "fp", "fn", "tn")


def write_results(frame: DataFrame, path_without_ending: str | os.PathLike[str]) -> None:
    """Write a table as ``.parquet`` and as ``.csv``, each of them whole or not at all.

    Args:
        frame: the columns of :data:`COLUMNS`, in any order; its index is not kept.
        path_without_ending: where; the endings are appended.

    Raises:
        DataError: what :func:`read_results` would refuse to read back.
        RunFolderError: the folder cannot be written.
        ConfigurationError: pandas or pyarrow is not installed.
    """
    _pandas()
    table = checked(frame, "the results")
    path = Path(path_without_ending)
    # Appended, not replaced: `with_suffix` would cut a name like "seed-0.5".
    parquet, text = (path.with_name(path.name + ending) for ending in (".parquet", ".csv"))
    write_atomically(parquet, partial(table.to_parquet, engine="pyarrow", index=False))
    write_atomically(text, partial(table.to_csv, index=False, lineterminator="\n"))


def read_results(path: str | os.PathLike[str]) -> DataFrame:
    """Read a table that :func:`write_results` wrote, or one that keeps to the same columns.

    Args:
        path: a ``.parquet`` or ``.csv`` file.

    Returns:
        The columns of :data:`COLUMNS`: text as ``str``, ``seed`` and counts as int64, scores as
        float64. An image without a known ``group`` or ``lesion`` has the empty text there.

    Raises:
        DataError: another ending, a file that cannot be read, a column that is missing or unknown,
            a value that its column cannot hold, a row that is there twice, or an image that has
            another group or lesion in one row than in another.
        ConfigurationError: pandas or pyarrow is not installed.
    """
    path = Path(path)
    pandas = _pandas()
    if path.suffix not in (".parquet", ".csv"):
        raise DataError(
            f"{path}: expected results that end in .parquet or .csv, found "
            f"{path.suffix or 'no ending'}; give one of the two files of a study"
        )
    try:
        if path.suffix == ".parquet":
            frame = pandas.read_parquet(path)
        else:  # as text, since a patient may be called "007" or "NA"; numbers are read below
            frame = pandas.read_csv(path, dtype="str", na_filter=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # pyarrow's and the parser's errors are ValueErrors
        raise DataError(
            f"{path}: expected a table of results, could not read it "
            f"({' '.join(str(error).split())}); restore the file or run the study again"
        ) from error
    return checked(frame, str(path))


def checked(frame: DataFrame, source: str) -> DataFrame:
    """Return a table in canonical order and types, or say what is wrong with it.

    Args:
        frame: a table that should hold :data:`COLUMNS`.
        source: what errors call it.

    Raises:
        DataError: as :func:`read_results` says.
    """
    missing = [column for column in COLUMNS if column not in frame.columns]
    unknown = [str(column) for column in frame.columns if column not in COLUMNS]
    if missing or unknown or not frame.columns.is_unique:
        raise DataError(
            f"{source}: expected each of the columns {', '.join(COLUMNS)} once; missing: "
            f"{', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}"
        )
    table = frame.loc[:, list(COLUMNS)].reset_index(drop=True)
    for column, read in COLUMNS.items():
        table[column] = read(table[column], f"{source}, column {column}")
    _require_single_rows(table, source)
    for column in ("group", "lesion"):
        require_one(table, column, source)
    return table


def require_one(frame: DataFrame, column: str, source: str) -> None:
    """Refuse a table in which an image of a site has two groups, or two lesions.

    Args:
        frame: with the columns ``holdout``, ``image`` and ``column``.
        column: ``"group"`` or ``"lesion"``.
        source: what the error calls the table.

    Raises:
        DataError: the first such image, with what it has.
    """
    known = frame[["holdout", "image", column]].drop_duplicates()
    twice = known[known.duplicated(["holdout", "image"], keep=False)]
    if len(twice):
        holdout, image, _ = twice.iloc[0]
        both = twice[(twice["holdout"] == holdout) & (twice["image"] == image)][column]
        raise DataError(
            f"{source}: expected one {column} for image {image} of {holdout}, found "
            f"{' and '.join(repr(name) for name in both)}; give every picture of a site a name of "
            f"its own, and show every run the same pictures"
        )


def _require_single_rows(table: DataFrame, source: str) -> None:
    twice = table.duplicated(list(KEY))
    if twice.any():
        row = table[twice].iloc[0]
        told = ", ".join(f"{column} {row[column]}" for column in KEY)
        raise DataError(
            f"{source}, row {_row(twice)}: expected one row for {told}, found it again; give "
            f"every image of a site a name of its own, and every run its rows once"
        )


def _text(values: Series, where: str) -> Series:
    """Text that is not empty."""
    wrong = ~values.map(lambda value: isinstance(value, str) and value != "").astype(bool)
    _refuse(values, wrong, where, "text")
    return values.astype("str")


def _text_or_nothing(values: Series, where: str) -> Series:
    """Text that may be empty; what is missing becomes the empty text."""
    values = values.astype("object").where(values.notna(), "")
    wrong = ~values.map(lambda value: isinstance(value, str)).astype(bool)
    _refuse(values, wrong, where, "text or nothing")
    return values.astype("str")


def _setting(values: Series, where: str) -> Series:
    """A JSON object as text."""
    values = _text(values, where)
    settings = {value: _is_object(value) for value in values.unique()}
    _refuse(values, ~values.map(settings).astype(bool), where, "a JSON object")
    return values


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _whole(values: Series, where: str) -> Series:
    """Whole numbers from 0."""
    numbers = _numbers(values)
    _refuse(values, ~((numbers >= 0) & (numbers % 1 == 0)), where, "a whole number from 0")
    return numbers.astype("int64")


def _share(values: Series, where: str) -> Series:
    """Numbers from 0 to 1."""
    numbers = _numbers(values)
    _refuse(values, ~numbers.between(0, 1), where, "a number from 0 to 1")
    return numbers.astype("float64")


def _pixels(values: Series, where: str) -> Series:
    """Finite numbers from 0."""
    numbers = _numbers(values)
    finite = (numbers >= 0) & (numbers < math.inf)
    _refuse(values, ~finite, where, "a number of pixels from 0")
    return numbers.astype("float64")


def _numbers(values: Series) -> Series:
    """The values as float64; nan where one is no number."""
    return values.astype("object").map(_number).astype("float64")


def _number(value: Any) -> float:
    try:
        return float(value)  # Python's own: text comes back to the last bit
    except (TypeError, ValueError):
        return math.nan


#: The columns in their order, each with what reads its values and refuses those that do not fit.
COLUMNS: dict[str, Callable[[Series, str], Series]] = {
    "method": _text,
    "title": _text,
    "backbone": _text,
    "holdout": _text,
    "seed": _whole,
    "setting": _setting,
    "image": _text,
    "group": _text_or_nothing,
    "lesion": _text_or_nothing,
    "dice": _share,
    "iou": _share,
    "acc": _share,
    "hd95": _pixels,
    "nsd": _share,
    **dict.fromkeys(COUNTS, _whole),
}


def _refuse(values: Series, wrong: Series, where: str, expected: str) -> None:
    """Raise DataError for the first wrong value, if there is one."""
    if wrong.any():
        found = values[wrong].iloc[0]
        told = "nothing" if _pandas().isna(found) or found == "" else found
        raise DataError(f"{where}, row {_row(wrong)}: expected {expected}, found {told}")


def _row(wrong: Series) -> int:
    """The first row that is wrong, as people count."""
    return int(wrong.to_numpy().argmax()) + 1


def _pandas() -> Any:
    """Import pandas, and make sure of pyarrow, by which it reads and writes Parquet."""
    try:
        import pandas

        import_module("pyarrow")
    except ImportError as error:
        raise missing_extra(error.name or "pandas", "the table of a study") from error
    return pandas
