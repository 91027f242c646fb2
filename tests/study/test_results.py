"""The table comes back as it was written, and says what is wrong with it in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deconfound.errors import DataError, RunFolderError
from deconfound.study.results import COLUMNS, read_results, write_results
from tests.study.rows import table


@pytest.fixture
def results() -> pd.DataFrame:
    random = np.random.default_rng(0).random((40, 5)).tolist()
    return table(
        {
            "seed": row % 2,
            "image": f"{row:03}.png",
            "dice": dice,
            "iou": iou,
            "acc": acc,
            "hd95": 100 * hd95,
            "nsd": nsd,
            "tn": 2**40 + row,
        }
        for row, (dice, iou, acc, hd95, nsd) in enumerate(random)
    )


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_what_is_written_is_read_to_the_last_bit(
    ending: str, results: pd.DataFrame, tmp_path: Path
) -> None:
    write_results(results[reversed(results.columns)], tmp_path / "study-0.5")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study-0.5.csv", "study-0.5.parquet"]
    pd.testing.assert_frame_equal(
        read_results(tmp_path / f"study-0.5{ending}"), results, check_exact=True
    )


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_text_stays_text(ending: str, tmp_path: Path) -> None:
    words = ["007", "NA", "nan", "1e3", "True", 'a, "b"\nc', " é "]
    said = table({"image": word, "group": word, "setting": '{"lr": 1e-3}'} for word in words)
    said.loc[1:2, "lesion"] = None
    write_results(said, tmp_path / "r")
    found = read_results(tmp_path / f"r{ending}")
    assert found["image"].tolist() == found["group"].tolist() == words
    assert found["lesion"].tolist() == ["polyp", "", "", *["polyp"] * 4]
    assert found["setting"].tolist() == ['{"lr": 1e-3}'] * 7


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_both_files_hold_a_table_without_rows(ending: str, tmp_path: Path) -> None:
    write_results(table([]), tmp_path / "r")
    found = read_results(tmp_path / f"r{ending}")
    assert len(found) == 0
    assert found["seed"].dtype == "int64"


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("dice", 1.5, "column dice, row 2: expected a number from 0 to 1, found 1.5"),
        ("nsd", float("nan"), "column nsd, row 2: expected a number from 0 to 1, found nothing"),
        ("iou", "high", "column iou, row 2: expected a number from 0 to 1, found high"),
        ("hd95", float("inf"), "column hd95, row 2: expected a number of pixels from 0, found inf"),
        ("seed", -1, "column seed, row 2: expected a whole number from 0, found -1"),
        ("tp", 0.5, "column tp, row 2: expected a whole number from 0, found 0.5"),
        ("fn", None, "column fn, row 2: expected a whole number from 0, found nothing"),
        ("image", "", "column image, row 2: expected text, found nothing"),
        ("method", None, "column method, row 2: expected text, found nothing"),
        ("setting", "[1]", "column setting, row 2: expected a JSON object, found [1]"),
        ("setting", "{", "column setting, row 2: expected a JSON object, found {"),
    ],
)
def test_a_wrong_value_is_named(column: str, value: Any, sentence: str, tmp_path: Path) -> None:
    wrong = table([{"image": "a"}, {"image": "b", column: value}, {"image": "c"}])
    with pytest.raises(DataError) as refused:
        write_results(wrong, tmp_path / "r")
    assert str(refused.value) == f"the results, {sentence}"
    assert not list(tmp_path.iterdir())
    wrong.to_csv(tmp_path / "r.csv", index=False)
    with pytest.raises(DataError) as refused:
        read_results(tmp_path / "r.csv")
    assert str(refused.value) == f"{tmp_path / 'r.csv'}, {sentence}"


def test_a_group_that_is_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column group, row 1: expected text or nothing, found 3"):
        write_results(table([{"group": 3}]), tmp_path / "r")


def test_columns_that_are_missing_or_unknown_are_named(tmp_path: Path) -> None:
    wrong = table([{}]).rename(columns={"hd95": "hausdorff"})
    with pytest.raises(DataError, match="missing: hd95; unknown: hausdorff"):
        write_results(wrong, tmp_path / "r")
    wrong.to_parquet(tmp_path / "r.parquet")
    with pytest.raises(DataError, match=r"r\.parquet: .* missing: hd95; unknown: hausdorff"):
        read_results(tmp_path / "r.parquet")


def test_a_row_that_is_there_twice_is_named(tmp_path: Path) -> None:
    twice = table([{"image": "a"}, {"image": "b"}, {"image": "a", "dice": 0.1}])
    with pytest.raises(DataError, match=r"row 3: expected one row for method baseline, .* image a"):
        write_results(twice, tmp_path / "r")


@pytest.mark.parametrize("column", ["group", "lesion"])
def test_two_pictures_of_one_name_are_named(column: str, tmp_path: Path) -> None:
    both = table({"seed": s, "image": "0001.png", column: f"x{s}"} for s in range(2))
    with pytest.raises(
        DataError, match=rf"one {column} for image 0001\.png of North, found 'x0' and 'x1'"
    ):
        write_results(both, tmp_path / "r")
    write_results(both.assign(holdout=["North", "South"]), tmp_path / "r")


def test_files_that_are_no_table_are_named(tmp_path: Path) -> None:
    for name, content in {"r.parquet": b"PAR", "r.csv": b"", "s.csv": b"a,b\n1,2,3\n\xff"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name}: expected a table of results, could not"):
            read_results(tmp_path / name)
    with pytest.raises(DataError, match=r"none\.csv: expected a table of results"):
        read_results(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"found \.xlsx"):
        read_results(tmp_path / "r.xlsx")


def test_a_failed_write_leaves_what_was_there(
    results: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_results(results, tmp_path / "r")

    def cut_off(self: pd.DataFrame, path: Path, **_: Any) -> None:
        path.write_text("half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", cut_off)
    with pytest.raises(RunFolderError, match=r"r\.parquet: cannot be written \(No space left"):
        write_results(results.assign(dice=0.0), tmp_path / "r")
    for ending in (".parquet", ".csv"):
        pd.testing.assert_frame_equal(read_results(tmp_path / f"r{ending}"), results)


def test_importing_the_package_is_cheap() -> None:
    heavy = ("torch", "pandas", "pyarrow", "monai", "lightning", "scipy")
    modules = "deconfound.study, deconfound.study.results, deconfound.study.statistics"
    code = f"import {modules}, sys; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_public_name_loads_and_a_typo_does_not() -> None:
    import deconfound.study as study

    assert all(getattr(study, name).__name__ == name for name in study.__all__)
    assert not hasattr(study, "summarize")


def test_the_columns_are_those_of_the_protocol() -> None:
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
    assert ", ".join(COLUMNS) in " ".join(page.split())
