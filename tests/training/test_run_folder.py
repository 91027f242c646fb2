from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from deconfound.errors import RunFolderError
from deconfound.training import files, run_folder
from deconfound.training.run_folder import RunFolder

CONFIG = {"seed": 0, "decoder": "Unet", "training": {"epochs": 5}}


def line(method: str, epoch: int) -> dict[str, object]:
    return {"method": method, "epoch": epoch}


def test_a_new_run_says_what_it_is(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "deep" / "run", CONFIG)
    assert json.loads((run.path / "config.json").read_text()) == CONFIG
    told = (run.path / "README.txt").read_text()
    for name in ("config.json", "metrics.jsonl", "results.json", "report.html", "models/"):
        assert name in told
    assert {path.name for path in run.path.iterdir()} <= {
        *told.split(),
        "checkpoints",
        "README.txt",
    }
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["run"]
    assert stat.S_IMODE(run.path.stat().st_mode) == stat.S_IMODE(run.path.parent.stat().st_mode)


def test_it_opens_again(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", CONFIG)
    assert RunFolder.open(tmp_path / "run").config == CONFIG


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert RunFolder.create(tmp_path / "run", CONFIG).config == CONFIG


def test_an_occupied_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    with pytest.raises(RunFolderError) as caught:
        RunFolder.create(tmp_path / "run", CONFIG)
    assert str(caught.value) == (
        f"{tmp_path / 'run'}: expected a new folder for the run, found a folder that is not empty; "
        f"choose another --out, or --resume to go on with the run in it"
    )
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(RunFolderError, match="found a file; choose another --out"):
        RunFolder.create(tmp_path / "run", CONFIG)


def test_no_permission_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(run_folder.tempfile, "mkdtemp", refuse)  # also true for root
    with pytest.raises(RunFolderError, match=r"cannot be created \(Permission denied\); choose a"):
        RunFolder.create(tmp_path / "run", CONFIG)
    assert list(tmp_path.iterdir()) == []


def test_a_path_through_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="file: expected a folder to put the run in, found a"):
        RunFolder.create(tmp_path / "file" / "deep" / "run", CONFIG)


def test_nothing_half_made_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_folder, "_fill", full)
    with pytest.raises(RunFolderError, match="No space left on device"):
        RunFolder.create(tmp_path / "run", CONFIG)
    assert list(tmp_path.iterdir()) == []


def test_resume_needs_the_same_settings(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", CONFIG)
    assert RunFolder.create(tmp_path / "run", CONFIG, resume=True).config == CONFIG
    other = {**CONFIG, "seed": 1, "workers": 4}
    with pytest.raises(
        RunFolderError, match=r"seed \(0 then, 1 now\), workers \(null then, 4 now\)"
    ):
        RunFolder.create(tmp_path / "run", other, resume=True)
    RunFolder.create(tmp_path / "run", other, resume=True, may_differ=("seed", "workers"))


def test_resume_without_a_run_starts_one(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path / "run", CONFIG, resume=True).config == CONFIG


def test_resume_in_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(
        RunFolderError, match=r"expected a run folder with config\.json, found none"
    ):
        RunFolder.create(tmp_path, CONFIG, resume=True)


def test_open_what_is_not_there_or_spoiled(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="found no such folder; give the folder"):
        RunFolder.open(tmp_path / "nowhere")
    RunFolder.create(tmp_path / "run", CONFIG)
    (tmp_path / "run" / "config.json").write_text("{half")
    with pytest.raises(RunFolderError, match="expected the settings of a run as JSON"):
        RunFolder.open(tmp_path / "run")


def test_metrics_survive_a_line_cut_short(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", CONFIG)
    run.append_metrics(line("baseline", 0))
    run.append_metrics(line("mcdrl", 0))
    with run.metrics_path.open("a") as file:
        file.write('{"method": "mcd')
    assert run.metrics() == [line("baseline", 0), line("mcdrl", 0)]
    run.restore_metrics("mcdrl", [line("mcdrl", 0), line("mcdrl", 1)])
    assert run.metrics() == [line("baseline", 0), line("mcdrl", 0), line("mcdrl", 1)]


def test_metrics_are_strict_json(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", CONFIG)
    with pytest.raises(ValueError, match="JSON compliant"):
        run.append_metrics({"method": "m", "loss": float("nan")})
    assert run.metrics() == []


def test_other_processes_wait_and_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunFolder.create(tmp_path / "run", CONFIG)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(run_folder, "PATIENCE", 0.2)
    assert RunFolder.create(tmp_path / "run", {"other": 1}).config == CONFIG
    with pytest.raises(RunFolderError, match="no such folder"):
        RunFolder.create(tmp_path / "never", CONFIG)
    assert not (tmp_path / "never").exists()


def test_writes_are_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.json"
    files.write_json(path, {"dice": 0.5})

    def die(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", die)
    with pytest.raises(RunFolderError, match=r"cannot be written \(Input/output error\)"):
        files.write_json(path, {"dice": 0.9})
    assert json.loads(path.read_text()) == {"dice": 0.5}
