"""`deconfound refute RUN`, on a run of one small model that was never trained."""

from __future__ import annotations

import json
import shutil
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

from deconfound import CausalSegmenter
from deconfound.cli import run as as_command
from deconfound.diagnostics.refuters import IrrelevantText, Paraphrases
from deconfound.errors import ConfigurationError, DataError, RunFolderError, UnknownNameError
from deconfound.refuting.command import _refuters, main
from deconfound.refuting.flags import RefuteFlags
from deconfound.refuting.maker import sign
from deconfound.refuting.recipe import Recipe, manifest_at
from deconfound.training import RunFolder
from deconfound.vlm import loading
from tests.tiny import tiny_vlm


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder with one model, as a recipe leaves it."""
    config = {"methods": ["baseline", "mcdrl"], "vlm": "mini", "image_size": 32, "seed": 0}
    run = RunFolder.create(tmp_path_factory.mktemp("runs") / "one", config)
    torch.manual_seed(0)
    decoder = {"name": "Unet", "decoder_channels": (8, 8, 8, 8, 8)}
    small = {"name": "cross_attention", "depth": 1, "heads": 4}
    CausalSegmenter(decoder, intervention=small).save_pretrained(run.model_path("mcdrl"))
    run.write_results({"held_out": "E"})
    return run


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    lines = ["image,mask,site,group"]
    for i in range(4):
        Image.new("RGB", (40, 40), (40 * i, 90, 60)).save(folder / f"{i}.png")
        mask = Image.new("L", (40, 40))
        mask.paste(255, (0, 0, 20, 10 * (i + 1)))
        mask.save(folder / f"{i}_mask.png")
        lines.append(f"{i}.png,{i}_mask.png,E,patient{i // 2}")
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder / "manifest.csv"


QUICK = ["--seeds", "1", "--images", "4", "--no-text"]


def test_rendered_images_as_json(finished, capsys) -> None:
    flags = ["--seeds", "1", "--images", "10", "--site", rendered_site(), "--data", "rendered"]
    main([str(finished.path), *flags, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((finished.path / "refute" / "refutation.json").read_text())
    assert (told["method"], told["images"], told["mode"]) == ("mcdrl", 10, "inference")
    assert told["intervening"] is True
    assert {one["scale"] for one in told["refutations"]} == {
        "mean score",
        "association of treatment and outcome",
    }
    names = [one["name"] for one in told["refutations"]]
    assert {"placebo dictionary", "irrelevant text", "paraphrases", "without blur"} <= set(names)
    assert told["verdict"] in ("supported", "refuted", "inconclusive")


def test_a_manifest_as_a_table(finished, manifest, capsys) -> None:
    main([str(finished.path), *QUICK, "--data", str(manifest), "--site", "e"])
    shown = capsys.readouterr().out
    assert "mcdrl on site E of manifest.csv" in shown
    assert "placebo dictionary" in shown
    assert "irrelevant text" not in shown


def test_a_run_on_images_of_its_own_is_read_as_its_recipe_reads_them(
    finished, manifest, tmp_path, monkeypatch, capsys
) -> None:
    """A release has no manifest: who made the run knows its layout, not the library."""
    module = ModuleType("mine.refute")
    module.RECIPE = Recipe("mine", lambda path: manifest_at(manifest) if path == release else [])
    monkeypatch.setitem(sys.modules, "mine.refute", module)
    monkeypatch.setitem(sys.modules, "mine", ModuleType("mine"))
    release = tmp_path / "release"
    run = RunFolder.open(shutil.copytree(finished.path, tmp_path / "run"))
    config = {**run.config, "data": str(release)}
    (run.path / "config.json").write_text(json.dumps(config))
    sign(run, "mine")
    main([str(run.path), *QUICK])
    assert "mcdrl on site E of release" in capsys.readouterr().out


def rendered_site() -> str:
    from deconfound.simulation import SITES

    return SITES[-1].name


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["--method", "mcdlr"], UnknownNameError, "did you mean mcdrl"),
        (["--batch-size", "0"], ConfigurationError, "--batch-size: expected greater than or equal"),
        (["--data", "rendered", "--site", "Nowhere"], UnknownNameError, "rendered site 'Nowhere'"),
        (["--data", "nothing.csv"], DataError, "the manifest cannot be read"),
        (["--data", "rendered", "--bgr", "E"], ConfigurationError, "--bgr: expected images in"),
        (["--vlm", "mini", "--no-text"], ConfigurationError, "--vlm mini: expected no --no-text"),
        (["--accelerator", "cpu", "--retrain"], ConfigurationError, "expected no --retrain"),
        (["--accelerator", "mps"], ConfigurationError, "accelerator mps .* cannot be used"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(finished, words, error, message, capsys) -> None:
    with pytest.raises(error, match=message):
        main([str(finished.path), *words])
    assert as_command(lambda: main([str(finished.path), *words])) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_wrong_flag_is_answered_with_the_near_one(finished, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(finished.path), "--sedes", "1"])
    assert "--seeds" in capsys.readouterr().err


@pytest.mark.parametrize("width", [256, 8])
def test_another_text_tower_than_the_models_own_is_refused(finished, width, monkeypatch) -> None:
    site = ["--data", "rendered", "--site", rendered_site()]
    other = Namespace(encode_text=lambda texts: torch.ones(len(texts), width) / width**0.5)
    monkeypatch.setattr(loading, "load", lambda name: other)
    with pytest.raises(ConfigurationError, match="--vlm other: expected the text tower that"):
        main([str(finished.path), *site, "--vlm", "other"])


def test_a_folder_that_is_no_run(tmp_path) -> None:
    with pytest.raises(RunFolderError, match="expected a run folder"):
        main([str(tmp_path)])
    RunFolder.create(tmp_path / "empty", {"methods": ["mcdrl"]})
    with pytest.raises(RunFolderError, match="found none; finish the run with train"):
        main([str(tmp_path / "empty")])


def test_damaged_results_are_named(finished) -> None:
    kept = finished.results_path.read_text()
    finished.results_path.write_text("{")
    try:
        with pytest.raises(RunFolderError, match=r"results\.json: expected the results"):
            main([str(finished.path), "--no-text"])
    finally:
        finished.results_path.write_text(kept)


def test_a_model_whose_intervention_was_never_on_is_said_to_be_one(finished, manifest, capsys):
    model = CausalSegmenter.from_pretrained(finished.model_path("mcdrl"))
    model.intervening = False
    model.save_pretrained(finished.model_path("baseline"))
    main([str(finished.path), *QUICK, "--data", str(manifest), "--method", "baseline"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "(saved before its intervention was turned on): refuted" in shown


@pytest.mark.parametrize("dictionary", ["kmeans", "learned"])
def test_clusters_are_not_said_in_other_words(dictionary) -> None:
    """Or sentences take the place of clusters, and a loss there refutes what nobody claimed."""
    model = CausalSegmenter(vlm=tiny_vlm(), dictionary={"name": dictionary, **SIZE[dictionary]})
    if dictionary == "kmeans":
        model.dictionary.fit(model, [{"image": torch.rand(16, 3, 32, 32)}])
    asked = _refuters(None, model, RefuteFlags(run=Path("runs/any")))
    assert not [one for one in asked if isinstance(one, IrrelevantText | Paraphrases)]
    with pytest.raises(ConfigurationError, match="--vlm mini: expected a dictionary of the pack's"):
        _refuters(None, model, RefuteFlags(run=Path("runs/any"), vlm="mini"))


SIZE = {"kmeans": {"clusters": 12}, "learned": {"size": 12}}
