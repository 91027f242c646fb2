"""``refute --retrain`` from end to end, on a run of a few rendered images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from deconfound import CausalSegmenter
from deconfound.cli import main as deconfound
from deconfound.diagnostics.refuters import InferenceSubject
from deconfound.refuting.pictures import rendered
from deconfound.training.history import EpochRecord
from deconfound.training.models_progress import ModelsProgress
from recipes.endoscopy_mcdrl import train
from recipes.endoscopy_mcdrl.__main__ import main

IMAGES = 6
QUICK = [
    *("--epochs", "2", "--image-size", "32", "--batch-size", "8", "--depth", "1", "--heads", "4"),
    *("--images-per-site", "8", "--decoder", "Linknet", "--methods", "mcdrl"),
]
ASKED = ["--retrain", "--seeds", "1", "--images", str(IMAGES), "--decisive", "--no-text", "--json"]


class Kill(BaseException):
    """What nobody catches."""


@pytest.fixture(scope="module")
def run(tiny_weights, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(train, "report", lambda *told: None)  # a page that nobody reads here
        assert main(["train", *QUICK, "--vlm", str(tiny_weights), "--out", str(out)]) == 0
    return out


def refute(run: Path) -> int:
    return main(["refute", str(run), *ASKED])


def test_killed_in_a_training_it_goes_on_there(run, monkeypatch, capsys) -> None:
    """The first training is finished and the second has one epoch when the command dies."""
    epochs = []

    def mortal(self: ModelsProgress, record: EpochRecord) -> None:
        epochs.append(record.epoch)
        if epochs == [0, 1, 0]:
            raise Kill

    monkeypatch.setattr(ModelsProgress, "epoch", mortal)
    with pytest.raises(Kill):
        refute(run)
    assert "7 trainings of mcdrl, 0 of them finished, 7 to make" in capsys.readouterr().err
    assert len(lines(run)) == 1
    assert refute(run) == 0
    told, said = capsys.readouterr()
    assert "7 trainings of mcdrl, 1 of them finished, 6 to make" in said
    assert epochs == [0, 1] * 7  # no epoch twice
    assert json.loads(told) == json.loads((run / "refute" / "refutation.json").read_text())
    assert json.loads(told)["mode"] == "retraining"


def test_the_training_that_was_killed_ends_as_the_run_did(run) -> None:
    """It was that of the real dictionary with the run's own seed: the run itself, bit for bit."""
    model = CausalSegmenter.from_pretrained(run / "models" / "mcdrl")
    pictures = rendered(None, IMAGES, 32, 0, False)
    subject = InferenceSubject(model, pictures.images, pictures.groups)
    names = list(subject.dictionary().names)
    (real,) = (
        line["scores"]
        for line in lines(run)
        if line["confounders"] == names and "dealt" not in line
    )
    assert subject.estimate(subject.dictionary()).tolist() == real


def test_the_command_of_the_library_finds_the_recipe_by_the_run(run, capsys) -> None:
    assert refute(run) == 0
    by_the_recipe = capsys.readouterr().out
    assert deconfound(["refute", str(run), *ASKED]) == 0
    assert capsys.readouterr().out == by_the_recipe
    assert "deconfound refute" in (run / "refute" / "refutation.html").read_text()


def test_a_run_that_nobody_signed_names_the_command(run, tmp_path, capsys) -> None:
    old = shutil.copytree(run, tmp_path / "old")
    (old / "recipe.json").unlink()
    assert deconfound(["refute", str(old), "--retrain"]) == 2
    assert f"python -m recipes.endoscopy_mcdrl refute {old} --retrain" in capsys.readouterr().err


def lines(run: Path) -> list[dict]:
    text = (run / "refute" / "trainings.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]
