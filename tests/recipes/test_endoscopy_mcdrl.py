"""The recipe as a person uses it: through its command line, on rendered and on stored images."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from recipes.endoscopy_mcdrl import reporting, train
from recipes.endoscopy_mcdrl.__main__ import main
from recipes.endoscopy_mcdrl.config import RecipeConfig, load_profile
from tests.recipes.discs import manifest

QUICK = ["--epochs", "2", "--image-size", "32", "--batch-size", "4", "--depth", "1", "--heads", "4"]
SMALLER = [*QUICK, "--epochs", "1", "--decoder", "Linknet"]


@pytest.fixture(scope="module")
def run(tiny_weights, tmp_path_factory) -> Path:
    """One finished run on the rendered sites."""
    out = tmp_path_factory.mktemp("runs") / "run"
    flags = ["--vlm", str(tiny_weights), "--images-per-site", "8", "--out", str(out)]
    assert main(["train", *QUICK, *flags]) == 0
    return out


def test_a_run_folder_explains_itself(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert {"README.txt", "config.json", "metrics.jsonl", "results.json", "report.html"} <= names
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [(x["method"], x["epoch"]) for x in lines] == [
        ("baseline", 0), ("baseline", 1), ("adjusted", 0), ("adjusted", 1)
    ]  # fmt: skip
    page = (run / "report.html").read_text()
    assert "E-colonoscopy" in page
    assert "python -m recipes.endoscopy_mcdrl train" in page
    assert "MCDRL + do(z), adjusting" in page
    assert "surroundings: " in page
    assert "https://" not in page.replace("http://www.w3.org", "")


def test_evaluate_gives_the_numbers_of_the_run_again(run: Path, capsys) -> None:
    assert main(["evaluate", str(run), "--json"]) == 0
    again, before = (
        json.loads(capsys.readouterr().out),
        json.loads((run / "results.json").read_text()),
    )
    assert again["methods"] == before["methods"]
    assert (again["site"], before["held_out"]) == ("E-colonoscopy", "E-colonoscopy")
    assert not again["seen_in_training"]


def test_evaluate_knows_the_site_that_a_stopped_run_left_out(run: Path, tmp_path, capsys) -> None:
    """A run without --holdout that has no results yet left out the last site, as it always does."""
    stopped = tmp_path / "stopped"
    shutil.copytree(run, stopped)
    (stopped / "results.json").unlink()
    for site, seen in (("e-colonoscopy", False), ("A-bronchoscopy", True)):
        assert main(["evaluate", str(stopped), "--holdout", site, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["seen_in_training"] == seen


def test_evaluate_says_when_training_saw_the_site(run: Path, capsys) -> None:
    assert main(["evaluate", str(run), "--holdout", "A-bronchoscopy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seen_in_training"]
    assert main(["evaluate", str(run), "--holdout", "A-bronchoscopy"]) == 0
    assert "WHICH TRAINING SAW" in capsys.readouterr().out


def test_evaluate_on_one_site_of_ones_own(run: Path, tmp_path, capsys) -> None:
    path = manifest(tmp_path, sites=1)
    assert main(["evaluate", str(run), "--data", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["site"], told["methods"][0]["rows"][0]["images"]) == ("site0", 4)
    assert told["seen_in_training"] is False, "training saw rendered images alone"
    assert main(["evaluate", str(run), "--batch-size", "0"]) == 2
    assert "batch_size" in capsys.readouterr().err


def test_a_finished_run_resumed_ends_at_the_same_results(run: Path, tiny_weights) -> None:
    before = (run / "results.json").read_text()
    flags = ["--vlm", str(tiny_weights), "--images-per-site", "8", "--out", str(run), "--resume"]
    assert main(["train", *QUICK, *flags]) == 0
    assert (run / "results.json").read_text() == before


def told(page: Path) -> str:
    """A report without the time at which it was written, and whether its run was resumed."""
    return re.sub(r"\d+ \w+ \d{4}, \d\d:\d\d|&#34;resume.*", "", page.read_text())


def test_a_finished_run_is_reported_again_without_training(run: Path, tmp_path, capsys) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    shutil.rmtree(copy / "checkpoints")  # large, and often deleted
    kept = {p: p.read_bytes() for p in copy.rglob("*") if p.is_file() and p.suffix != ".html"}
    assert main(["report", str(copy)]) == 0
    assert str(copy / "report.html") in capsys.readouterr().out
    assert told(copy / "report.html") == told(run / "report.html")
    assert "data:image/jpeg" in told(run / "report.html")
    assert main(["report", str(copy), "--no-pictures"]) == 0
    bare = told(copy / "report.html")
    assert "data:image/" not in bare
    assert "What did the model use?" in bare
    assert kept == {
        p: p.read_bytes() for p in copy.rglob("*") if p.is_file() and p.suffix != ".html"
    }
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "pictures": False}))
    assert main(["report", str(copy)]) == 0
    assert "data:image/" not in told(copy / "report.html")


def test_what_was_trained_with_is_shown(run: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reporting, "_used", lambda *told: None)  # a long section, not asked for
    copy = shutil.copytree(run, tmp_path / "copy")
    kept = copy / "adjusting" / "adjusted.json"
    for share, shown in ((0.0, False), (1.0, True)):
        told_so = {"transplant": share, "restyle": 0.0}
        kept.write_text(json.dumps({**json.loads(kept.read_text()), **told_so}))
        assert main(["report", str(copy)]) == 0
        page = told(copy / "report.html")
        assert ("What it was trained with" in page) == shown
        assert page.count("as it was trained with") == 6 * shown


def test_what_counts_in_training_is_shown(run: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reporting, "_used", lambda *told: None)  # a long section, not asked for
    copy = shutil.copytree(run, tmp_path / "copy")
    kept = copy / "adjusting" / "adjusted.json"
    read = json.loads(kept.read_text())
    alike = [1.0] * read["images"]
    for weights, shown in ((None, False), (alike, False), ([3.0, *alike[2:], 0.5], True)):
        kept.write_text(json.dumps({**read, "weights": weights}))
        assert main(["report", str(copy)]) == 0
        page = told(copy / "report.html")
        assert ("What counts in training" in page) == shown
        assert ("counts 3.0 times" in page) == shown


def test_a_report_reads_at_the_temperature_of_the_training(run, tmp_path, monkeypatch) -> None:
    asked: list[float] = []

    def used(*_: object, temperature: float, **__: object) -> None:
        asked.append(temperature)

    monkeypatch.setattr(reporting, "what_was_used", used)
    copy = shutil.copytree(run, tmp_path / "copy")
    kept = copy / "adjusting" / "adjusted.json"
    for temperature in (0.03, None):
        kept.write_text(json.dumps({**json.loads(kept.read_text()), "temperature": temperature}))
        assert main(["report", str(copy), "--no-pictures"]) == 0
    assert asked == [0.03, 0.1]


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("results.json", "expected a finished run, found no results.json"),
        ("models/adjusted", "expected a finished run, found no model of adjusted"),
        ("metrics.jsonl", "found 0 of 2 epochs of baseline"),
    ],
)
def test_an_unfinished_run_is_not_reported(run, lost, words, tmp_path, capsys) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    path = copy / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = (copy / "report.html").read_bytes()
    assert main(["report", str(copy)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert f"train --out {copy} --resume" in said
    assert (copy / "report.html").read_bytes() == before


def test_images_that_changed_since_training_are_not_reported(run, tmp_path, capsys) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    results = json.loads((copy / "results.json").read_text())
    results["methods"][-1]["rows"][0]["images"] += 1
    (copy / "results.json").write_text(json.dumps(results))
    assert main(["report", str(copy)]) == 2
    assert "the images are not those of the run" in capsys.readouterr().err


def test_predict_writes_a_mask_and_an_overlay_at_the_size_of_the_image(
    run, tmp_path, capsys
) -> None:
    manifest(tmp_path)
    image, out = tmp_path / "0-0.png", tmp_path / "out"
    flags = ["predict", str(image), "--run", str(run), "--out", str(out)]
    assert main([*flags, "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    mask = np.array(Image.open(entry["mask"]))
    assert mask.shape == (40, 48)
    assert set(np.unique(mask)) <= {0, 255}
    assert Image.open(entry["overlay"]).size == (48, 40)
    assert main(flags) == 2
    assert "exists already; choose another --out, or --overwrite" in capsys.readouterr().err
    assert main([*flags, "--overwrite"]) == 0


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_train_on_a_manifest(task: str, tiny_weights, tmp_path, capsys) -> None:
    flags = ["--data", str(manifest(tmp_path)), "--vlm", str(tiny_weights), "--task", task]
    out = ["--out", str(tmp_path / "run"), "--holdout", "site1", "--json", "--methods", "mcdrl"]
    assert main(["train", *SMALLER, *flags, *out]) == 0
    (result,) = json.loads(capsys.readouterr().out)["methods"]
    assert result["rows"][0]["images"] == 4
    (tmp_path / "other").mkdir()
    other = ["--data", str(manifest(tmp_path / "other", sites=1))]
    assert main(["evaluate", str(tmp_path / "run"), *other, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seen_in_training"] is None, "nobody knows"


def test_sites_says_what_is_there_and_what_is_wrong(tmp_path, capsys) -> None:
    path = manifest(tmp_path)
    (tmp_path / "1-2.png").write_bytes((tmp_path / "1-2.png").read_bytes()[:100])
    assert main(["sites", "--data", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["sites"]
    assert [(s["name"], s["pairs"], s["groups"]) for s in found] == [
        ("site0", 4, 4), ("site1", 3, 3), ("site2", 4, 4)
    ]  # fmt: skip
    assert "1-2.png" in found[1]["problems"][0]


def broken(folder: Path, what: str) -> list[str]:
    """Spoil the images in one way; return the flags that meet it."""
    path = manifest(folder, sites=1 if what == "one site" else 3)
    text = path.read_text()
    if what == "missing mask":
        (folder / "0-1_mask.png").unlink()
    elif what == "size":
        Image.new("L", (10, 10)).save(folder / "0-1_mask.png")
    elif what == "truncated":
        (folder / "0-1.png").write_bytes((folder / "0-1.png").read_bytes()[:200])
    elif what == "not an image":
        (folder / "0-1.png").write_text("no image")
    elif what == "values":
        Image.fromarray(np.full((40, 48), 90, np.uint8)).save(folder / "0-1_mask.png")
    elif what == "class":
        path.write_text(text.replace("polyp", "polpy"))
    elif what == "column":
        path.write_text(text.replace("mask,site", "msak,site", 1))
    elif what == "empty":
        path.write_text(text.splitlines()[0] + "\n")
    return ["--data", str(path)]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("missing mask", ("0-1_mask.png",)),
        ("size", ("0-1", "48", "10")),
        ("truncated", ("0-1.png",)),
        ("not an image", ("0-1.png",)),
        ("values", ("0-1_mask.png", "90")),
        ("class", ("polpy", "polyp")),
        ("column", ("manifest.csv", "mask")),
        ("empty", ("manifest.csv",)),
        ("one site", ("two sites",)),
    ],
)
def test_spoilt_images_are_named_and_leave_nothing_behind(
    what, words, tiny_weights, tmp_path, capsys
) -> None:
    out = tmp_path / "runs" / "run"
    flags = [*broken(tmp_path, what), "--vlm", str(tiny_weights), "--out", str(out)]
    assert main(["train", *QUICK, *flags]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1
    assert all(word in said[0] for word in words), said[0]
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--decoder", "Unett"], "did you mean Unet"),
        (["--vlm", "ViT-B-17/openai"], "did you mean"),
        (["--vlm", "mni"], "did you mean mini"),
        (["--pack", "endoscpy"], "did you mean endoscopy"),
        (["--holdout", "E-colonoscpy"], "did you mean E-colonoscopy"),
        (["--config", "papr"], "did you mean paper"),
        (["--heads", "5"], "heads must divide"),
        (["--dictionary", "kmeans", "--centre"], "leave one of the two flags out"),
        (["--level-intervention", "statistics"], "images of more than 32 pixels"),
        (["--resume"], "found none"),
        (["--devices", "99", "--accelerator", "mps"], "accelerator mps with devices 99 cannot be"),
        (["--data", "/nowhere"], "/nowhere: expected a folder"),
    ],
)
def test_mistakes_are_answered_with_the_near_ones(
    flags, words, tiny_weights, tmp_path, capsys
) -> None:
    out = tmp_path / "run"
    assert main(["train", *QUICK, "--vlm", str(tiny_weights), "--out", str(out), *flags]) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--epoch", "3"], "--epochs"),
        (["--merge", "gat"], "gated"),
        (["--lr", "fast"], "fast"),
    ],
)
def test_wrong_flags_and_values_leave_with_status_2(flags, words, capsys) -> None:
    with pytest.raises(SystemExit) as left:
        main(["train", *flags])
    assert left.value.code == 2
    said = capsys.readouterr()
    assert words in said.out + said.err


AT_LEAST_1 = "expected greater than or equal to 1, found"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "--epochs", "0"], f"--epochs: {AT_LEAST_1} 0"),
        (
            ["train", "--bgr", "North"],
            "--bgr: expected --data with the sites",
        ),
        (["table", "main", "--epochs", "-1"], f"--epochs: {AT_LEAST_1} -1"),
        (["table", "main", "--trials", "9"], "--trials: expected less than or equal to 3, found 9"),
        (["ablate", "depth", "--images-per-site", "2"], "--images-per-site: expected greater"),
        (["figure", "tsne", "--job-minutes", "0"], f"--job-minutes: {AT_LEAST_1} 0"),
    ],
)
def test_a_value_out_of_its_range_is_one_sentence_of_every_command(words, said, capsys) -> None:
    assert main(words) == 2
    told = capsys.readouterr()
    assert not told.out
    assert told.err.startswith(f"error: {said}")
    assert told.err.count("\n") == 1


def test_a_run_folder_that_exists_is_left_alone(run, tiny_weights, capsys) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main(["train", *QUICK, "--vlm", str(tiny_weights), "--out", str(run)]) == 2
    assert "choose another --out, or --resume" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_damaged_results_are_named(run, tmp_path, capsys) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "results.json").write_text("{")
    assert main(["evaluate", str(copy)]) == 2
    assert "results.json: expected the results of a run" in capsys.readouterr().err


def test_resuming_needs_the_run_to_be_named(capsys) -> None:
    assert main(["train", "--resume"]) == 2
    assert "expected --out with a run to resume" in capsys.readouterr().err


def test_a_mask_in_the_multiclass_task_holds_class_indices(run, tmp_path) -> None:
    from recipes.endoscopy_mcdrl.predict import _write

    mask, picture = np.eye(8, dtype=np.int64), np.zeros((8, 8, 3), np.uint8)
    _write(mask, 1, picture, tmp_path / "m.png", tmp_path / "o.png")
    assert set(np.unique(np.array(Image.open(tmp_path / "m.png")))) == {0, 1}


def test_multiclass_masks_of_ones_own_hold_one_to_k(tiny_weights, tmp_path, capsys) -> None:
    path = manifest(tmp_path)
    path.write_text(path.read_text().replace(",polyp", ","))
    flags = ["--data", str(path), "--vlm", str(tiny_weights), "--task", "multiclass"]
    assert main(["train", *QUICK, *flags, "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "255" in said
    assert "_mask.png" in said
    for file in tmp_path.glob("*_mask.png"):
        Image.fromarray((np.array(Image.open(file)) > 0).astype(np.uint8) * 3).save(file)
    assert main(["train", *SMALLER, *flags, "--out", str(tmp_path / "run")]) == 0


def test_a_missing_library_is_one_sentence() -> None:
    code = (
        "import sys; sys.modules['tyro'] = None\n"
        "from recipes.endoscopy_mcdrl.__main__ import main; sys.exit(main(['sites']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the command sites needs tyro, which is not installed; ")


def test_the_command_of_a_run_outlives_its_profile(tmp_path) -> None:
    path, cohort = tmp_path / "mine.yaml", SimpleNamespace(holdout="site 1")
    path.write_text("epochs: 7\n")
    config = load_profile(str(path))
    path.unlink()
    program = "python -m recipes.endoscopy_mcdrl train"
    assert reporting.command(config, cohort).startswith(f"{program} --epochs 7 ")
    paper = load_profile("paper")
    assert reporting.command(paper, cohort) == f"{program} --config paper --holdout 'site 1'"


def test_unknown_commands_and_help(capsys) -> None:
    assert main(["trian"]) == 2
    assert "did you mean train?" in capsys.readouterr().err
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert "predict" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"methods": ["mcdrl"]}, "; the intervention starts at epoch 3"),
        ({"methods": ["mcdrl"], "intervention_start": 1.0}, "; the intervention stays off"),
        ({"methods": ["baseline", "mcdrl_without_cdrl"]}, ""),
    ],
)
def test_what_is_said_of_the_interventions_start(settings: dict[str, Any], words: str) -> None:
    assert train._start(RecipeConfig.model_validate({"epochs": 8, **settings})) == words


def test_the_paper_profile_is_the_papers(tmp_path) -> None:
    paper = load_profile("paper")
    stated = {"vlm": "ViT-L-14/openai", "image_size": 224, "lr": 0.005, "epochs": 50, "depth": 3,
              "lambda_causal": 0.5, "lambda_contrast": 0.1, "tau": 0.5}  # fmt: skip
    assert {name: getattr(paper, name) for name in stated} == stated
    assert paper.schedule.first_intervening_epoch == 10
    assert paper.segmentation_loss == "ce"


def test_a_runs_configuration_repeats_the_run(run: Path) -> None:
    again = load_profile(str(run / "config.json"))
    told = json.loads((run / "config.json").read_text())
    assert again.model_dump(mode="json") == {**told, "config": str(run / "config.json")}
    assert isinstance(again, RecipeConfig)
