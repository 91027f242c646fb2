"""A folder that no reader knows is named by whatever goes on without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipes.endoscopy_mcdrl.__main__ import main
from recipes.endoscopy_mcdrl.study import notes
from tests.recipes.discs import manifest

QUICK = [
    *("--epochs", "1", "--image-size", "32", "--batch-size", "8", "--depth", "1", "--heads", "4"),
    *("--decoder", "Linknet", "--methods", "baseline"),
]
WHY = "Laryngoscope8 was released without masks; put a manifest.csv"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three sites, beside a release without masks and a folder of something else."""
    folder = tmp_path / "data"
    for name in ("discs", "Laryngoscope8/Cyst", "letters"):
        (folder / name).mkdir(parents=True)
    manifest(folder / "discs")
    return folder


def ignored(said: str, data: Path) -> None:
    """Make sure that each folder has its line, once, and is named as `sites` names it."""
    lines = [line for line in said.splitlines() if line.startswith("ignored")]
    assert len(lines) == 2
    assert lines[0].startswith(f"ignored    {data}/Laryngoscope8 ({WHY}")
    assert (
        lines[1] == f"ignored    {data}/letters (no known layout; a manifest.csv makes it a site)"
    )


def test_training_and_scoring_name_what_they_did_not_read(data, tiny_weights, tmp_path, capsys):
    run = tmp_path / "run"
    words = ["--data", str(data), "--vlm", str(tiny_weights), "--out", str(run)]
    assert main(["train", *QUICK, *words]) == 0
    ignored(capsys.readouterr().err, data)
    assert main(["evaluate", str(run), "--json"]) == 0
    told = capsys.readouterr()
    ignored(told.err, data)
    assert json.loads(told.out)["site"] == "site2"
    assert main(["report", str(run)]) == 0
    ignored(capsys.readouterr().err, data)
    assert (
        main(["refute", str(run), "--decisive", "--no-text", "--images", "2", "--seeds", "1"]) == 0
    )
    ignored(capsys.readouterr().err, data)


def test_a_study_names_it_once_and_below_its_tables(data, tiny_weights, tmp_path, capsys):
    out = tmp_path / "study"
    words = [*QUICK, "--data", str(data), "--vlm", str(tiny_weights), "--out", str(out)]
    few = ["--seeds", "1", "--trials", "1", "--holdouts", "site0"]
    assert main(["table", "main", *words, *few, "--json"]) == 0
    told = capsys.readouterr()
    ignored(told.err, data)
    note = f"Sites: site0, site1, site2; not read: Laryngoscope8 ({WHY}"
    for table in json.loads(told.out):
        assert sum(text.startswith(note) for text in table["notes"]) == 1
        assert note in (out / "tables" / f"{table['name']}.md").read_text()


def test_where_everything_was_read_the_sites_are_all_there_is_to_say():
    assert notes.sites(["A", "B"], ()) == "Sites: A, B."
