from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deconfound.errors import RunFolderError, UnknownNameError
from deconfound.training import files, placing, run_folder
from deconfound.training.run_folder import RunFolder

CONFIG = {"seed": 0, "decoder": "Unet", "training": {"epochs": 5}}


Ask = Callable[..., object]


def require(path: Path, config: dict[str, object], resume: bool = False) -> None:
    RunFolder.require_free(path, resume, config)


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


def test_an_empty_folder_is_no_run_before_its_settings_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "run").mkdir()
    monkeypatch.setattr("os.fsync", killed)  # while config.json is written
    with pytest.raises(KeyboardInterrupt):
        RunFolder.create(tmp_path / "run", CONFIG)
    assert not (tmp_path / "run" / "config.json").exists()


def test_an_occupied_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    with pytest.raises(RunFolderError) as caught:
        RunFolder.create(tmp_path / "run", CONFIG)
    assert str(caught.value) == (
        f"{tmp_path / 'run'}: expected a new folder for the run, found a folder that is not empty; "
        f"choose another --out, or --resume to continue the run in it"
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

    monkeypatch.setattr(placing.tempfile, "mkdtemp", refuse)  # also true for root
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

    monkeypatch.setattr(placing, "_fill", full)
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


@pytest.mark.parametrize("ask", [RunFolder.create, RunFolder.require_free])
def test_a_run_goes_on_under_a_version_that_knows_more_settings(tmp_path: Path, ask: Ask) -> None:
    RunFolder.create(tmp_path / "run", CONFIG)
    usual = {"seed": 7, "detail": False}
    ask(tmp_path / "run", config={**CONFIG, "detail": False}, resume=True, usual=usual)
    with pytest.raises(RunFolderError, match=r"values of detail \(false then, true now\); give"):
        ask(tmp_path / "run", config={**CONFIG, "detail": True}, resume=True, usual=usual)


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("ask", [RunFolder.create, require])
def test_resume_without_a_run_is_refused(tmp_path: Path, empty: bool, ask: Ask) -> None:
    path = tmp_path / "run"
    if empty:
        path.mkdir()
    with pytest.raises(RunFolderError) as caught:
        ask(path, CONFIG, True)
    assert str(caught.value) == (
        f"--resume: expected a run to resume at {path}, found none; leave --resume out to start it"
    )
    assert not path.exists() or not list(path.iterdir())


def test_what_create_refuses_is_refused_before_any_work(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", CONFIG)
    require(tmp_path / "run", CONFIG, True)
    require(tmp_path / "deep" / "new", CONFIG)
    with pytest.raises(RunFolderError, match="found a folder that is not empty"):
        require(tmp_path / "run", CONFIG)
    with pytest.raises(RunFolderError, match=r"found other values of seed \(0 then, 1 now\)"):
        require(tmp_path / "run", {**CONFIG, "seed": 1}, True)
    RunFolder.require_free(tmp_path / "run", True, {**CONFIG, "seed": 1}, {"seed"})
    RunFolder.require_free(tmp_path / "run", True)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunFolder.create(tmp_path / "run", CONFIG)
    (tmp_path / "empty").mkdir()
    asked = []

    def locked(path: Path, mode: int) -> bool:  # also true for root
        asked.append((path, mode))
        return False

    monkeypatch.setattr(os, "access", locked)
    places = {"deep/new": tmp_path, "empty": tmp_path / "empty", "run": tmp_path / "run"}
    for place, held_by in places.items():
        with pytest.raises(RunFolderError) as caught:
            require(tmp_path / place, CONFIG, place == "run")
        assert str(caught.value) == (
            f"{held_by}: expected a folder that may be written, found one that may not; choose a "
            f"folder that you may write to with --out"
        )
        assert asked.pop() == (held_by, os.W_OK | os.X_OK)


@pytest.mark.parametrize("ask", [RunFolder.create, require])
def test_a_folder_that_cannot_be_looked_into_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    (tmp_path / "run").mkdir()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(RunFolderError, match=r"run: .* \(Permission denied\); choose a folder"):
        ask(tmp_path / "run", CONFIG)


def test_an_unreadable_parent_is_one_sentence(tmp_path: Path) -> None:
    """As another user, in a process of its own, since root may look everywhere."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o000)
    code = (
        "import os, sys\n"
        "from deconfound.errors import RunFolderError\n"
        "from deconfound.training.run_folder import RunFolder\n"
        "os.chdir(sys.argv[1])\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "for ask in (RunFolder.require_free, lambda p: RunFolder.create(p, {}), RunFolder.open):\n"
        "    try: ask(sys.argv[2])\n"
        "    except RunFolderError as error: print(error)\n"
    )
    # Where the folders above are closed to that user too, the sentence is the same.
    command = [sys.executable, "-c", code, str(tmp_path), str(locked / "deep" / "run")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


def test_a_run_knows_what_it_trained_and_what_it_left_out(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", {"methods": ["plain", "mcdrl"], "holdout": "A"})
    with pytest.raises(RunFolderError, match="expected a trained model under models/, found none"):
        run.trained_method()
    for method in ("mcdrl", "plain"):
        files.write_json(run.model_path(method) / "config.json", {})
    assert run.trained_methods() == ["plain", "mcdrl"]
    assert (run.trained_method(), run.trained_method("plain")) == ("mcdrl", "plain")
    with pytest.raises(UnknownNameError, match="did you mean plain"):
        run.trained_method("plane")
    assert run.held_out() == "A"
    run.write_results({"held_out": "E"})
    assert run.held_out() == "E"


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
    (tmp_path / "run" / "config.json").write_text("[1, 2]")
    with pytest.raises(RunFolderError, match=r"could not read it \(it holds a list\); restore the"):
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


@pytest.mark.parametrize("damaged", ['{"method": "mc', "[1]", '{"epoch": 0}', "\x00\x00"])
def test_a_damaged_line_is_named(tmp_path: Path, damaged: str) -> None:
    run = RunFolder.create(tmp_path / "run", CONFIG)
    run.append_metrics(line("baseline", 0))
    with run.metrics_path.open("a") as file:
        file.write(damaged + "\n")
    run.append_metrics(line("baseline", 1))
    with pytest.raises(RunFolderError) as caught:
        run.metrics()
    assert str(caught.value).startswith(
        f"{run.metrics_path}, line 2: expected one epoch of a method as JSON, found "
    )
    assert str(caught.value).endswith("; delete that line")


def test_metrics_that_are_not_text_are_named(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", CONFIG)
    run.metrics_path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(RunFolderError, match=r"metrics\.jsonl: expected text, could not read it"):
        run.metrics()


def test_a_line_that_cannot_be_appended_is_one_sentence(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", CONFIG)
    run.metrics_path.unlink()
    run.metrics_path.mkdir()
    with pytest.raises(RunFolderError, match=r"metrics\.jsonl: cannot be written \(Is a directory"):
        run.append_metrics(line("baseline", 0))


def test_a_disk_that_takes_no_more_is_one_sentence(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", CONFIG)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(RunFolderError, match=r"written \(File too large\); free some space"):
            run.append_metrics(line("baseline", 0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert run.metrics() == []


def test_the_folder_says_how_to_go_on(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", CONFIG)
    told = " ".join((run.path / "README.txt").read_text().split())
    assert "when the same command is given again with --out THIS FOLDER --resume." in told


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
