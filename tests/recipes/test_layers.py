"""The layer, its estimator, where the sum is taken, and P(z), through the command line."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deconfound import CausalSegmenter
from deconfound.diagnostics.refuters import Training
from deconfound.errors import ConfigurationError, UnknownNameError
from deconfound.estimators import estimators
from deconfound.interventions import CrossAttentionIntervention, interventions
from deconfound.packs import PromptPack
from deconfound.training import ModelTraining, RunFolder
from deconfound.training.fitting import fit_parts
from deconfound.training.progress import Watcher
from recipes.endoscopy_mcdrl import refute, reporting, train
from recipes.endoscopy_mcdrl.__main__ import main
from recipes.endoscopy_mcdrl.config import RecipeConfig, load_profile
from recipes.endoscopy_mcdrl.methods import build_model, title_of
from recipes.endoscopy_mcdrl.parts import described, require_parts
from recipes.endoscopy_mcdrl.unread import refuse_unread
from tests.training.test_fitting import images

PACK = PromptPack.load("endoscopy")
NAMES = PACK.confounder_names
QUICK = ["--epochs", "1", "--image-size", "32", "--batch-size", "8", "--images-per-site", "8",
         "--decoder", "Linknet"]  # fmt: skip
CHOSEN = ["--intervention", "film", "--estimator", "standardisation", "--average", "probability",
          "--prior", "empirical", "--methods", "mcdrl"]  # fmt: skip
PARTS = ("intervention", "estimator", "average", "prior")


def config(**settings: object) -> RecipeConfig:
    return RecipeConfig.model_validate({"image_size": 64, **settings})


@pytest.fixture(scope="module")
def trained(tiny_weights, tmp_path_factory) -> tuple[Path, CausalSegmenter]:
    """A run with none of the defaults, and the model as it was when its training ended."""
    out, kept = tmp_path_factory.mktemp("runs") / "run", []
    with pytest.MonkeyPatch.context() as patched:
        scoring = train.evaluate
        patched.setattr(train, "evaluate", lambda m, *a, **k: kept.append(m) or scoring(m, *a, **k))
        patched.setattr(reporting, "_used", lambda *told: None)  # a long section, tested elsewhere
        words = [*QUICK, *CHOSEN, "--vlm", str(tiny_weights), "--out", str(out)]
        assert main(["train", *words]) == 0
    return out, kept[0]


def test_a_run_is_loaded_with_its_parts_and_draws_the_same_masks(trained) -> None:
    out, before = trained
    model = CausalSegmenter.from_pretrained(out / "models" / "mcdrl")
    spec = model.configuration()
    assert spec["intervention"]["name"] == "film"
    assert spec["intervention"]["estimator"]["name"] == "standardisation"
    assert spec["average"] == "probability"
    pictures = model.normalize(torch.rand(2, 3, 32, 32))
    with torch.no_grad():
        assert torch.equal(model(pictures), before.eval()(pictures))
    prior = model.dictionary().prior
    assert torch.equal(prior, before.dictionary().prior)
    assert (prior - 1 / 12).abs().max() > 1e-4


def test_the_run_folder_and_the_report_say_what_was_asked(trained) -> None:
    out, _ = trained
    told = json.loads((out / "config.json").read_text())
    assert {name: told[name] for name in PARTS} == {
        "intervention": "film",
        "estimator": "standardisation",
        "average": "probability",
        "prior": ["empirical"],
    }
    page = (out / "report.html").read_text()
    assert "film, summed over z by standardisation, averaged by probability" in page
    assert "--intervention film --estimator standardisation --average probability" in page
    assert "--prior empirical" in page
    assert "MCDRL, film" in page  # and not as if it were the published form


def test_every_command_finds_them_in_the_run_folder(trained, tmp_path, monkeypatch, capsys) -> None:
    out, before = trained
    monkeypatch.setattr(reporting, "_used", lambda *told: None)
    assert main(["evaluate", str(out), "--json"]) == 0
    scores = json.loads((out / "results.json").read_text())["methods"]
    assert json.loads(capsys.readouterr().out)["methods"] == scores
    picture = (np.random.default_rng(0).random((32, 32, 3)) * 255).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "frame.png")
    words = [str(tmp_path / "frame.png"), "--run", str(out), "--out", str(tmp_path / "masks")]
    assert main(["predict", *words]) == 0
    image = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        mask = before.eval()(before.normalize(image))[0, 0] > 0
    drawn = np.asarray(Image.open(tmp_path / "masks" / "frame_mask.png")) > 0
    assert (drawn == mask.numpy()).all()
    assert main(["report", str(out), "--no-pictures"]) == 0
    asked = ["--images", "6", "--seeds", "1", "--decisive", "--no-text", "--json"]
    copy = shutil.copytree(out, tmp_path / "copy")
    capsys.readouterr()
    assert main(["refute", str(copy), *asked]) == 0
    assert json.loads(capsys.readouterr().out)["mode"] == "inference"


def test_a_method_is_trained_again_with_its_layer_and_the_prior_that_is_given(
    trained, tmp_path, monkeypatch
) -> None:
    out, before = trained
    monkeypatch.setattr(ModelTraining, "train", lambda *told: None)  # what is built is looked at
    z = before.dictionary()
    train_again = refute.trainer(RunFolder.open(out), "mcdrl", before)
    again = train_again(Training(z), tmp_path / "again", Watcher())
    assert interventions.name_of(again.intervention) == "film"
    assert again.average == "probability"
    torch.testing.assert_close(again.dictionary().prior, z.prior)


def test_a_run_goes_on_only_with_the_same_parts(trained, tiny_weights, tmp_path, capsys) -> None:
    out, _ = trained
    words = ["train", *QUICK, *CHOSEN, "--vlm", str(tiny_weights), "--out", str(out), "--resume"]
    assert main([*words, "--estimator", "enumeration"]) == 2
    assert 'estimator ("standardisation" then, "enumeration" now)' in capsys.readouterr().err
    assert main([*words, "--average", "logit"]) == 2
    assert 'average ("probability" then, "logit" now)' in capsys.readouterr().err


def buildable() -> list[str]:
    return [name for name in interventions if name not in ("stylip", "learned_prompts")]


@pytest.mark.parametrize("name", buildable())
def test_every_layer_is_built_fitted_and_learns(name, tiny_weights) -> None:
    asked = config(intervention=name, vlm=str(tiny_weights))
    model = build_model("mcdrl", asked, PACK)
    fit_parts(model, images())
    assert interventions.name_of(model.intervention) == name
    if name == "leace":
        assert model.intervention.get_buffer("removal").any()
    model(torch.rand(2, 3, 64, 64)).sum().backward()


@pytest.mark.parametrize("name", list(estimators))
def test_every_estimator_is_built(name, tiny_weights) -> None:
    asked = config(intervention="gated_mlp", estimator=name, average="logit", vlm=str(tiny_weights))
    model = build_model("adjusted", asked, PACK)
    assert estimators.name_of(model.intervention.estimator) == name  # type: ignore[arg-type]
    assert f"summed over z by {name}, averaged by logit" in described(asked)
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, 1, 64, 64)


def test_defaults_are_those_of_the_layer_and_of_the_published_form(tiny_weights) -> None:
    default = CrossAttentionIntervention(32).options()
    usual = RecipeConfig.model_validate({}).model_dump(mode="json")
    assert all(usual[setting] == default[setting] for setting in default if setting != "dim")
    assert {name: usual[name] for name in PARTS} == {
        "intervention": "cross_attention",
        "estimator": None,
        "average": "feature",
        "prior": [],
    }
    for profile in ("default", "paper"):
        assert load_profile(profile).intervention == "cross_attention"


def test_ours_with_a_layer_of_their_own_keep_it(tiny_weights) -> None:
    asked = config(intervention="film", average="logit", vlm=str(tiny_weights))
    for method, name in (("mcdrl_literal", "cross_attention"), ("mcdrl_without_cdrl", "identity")):
        with pytest.warns(match="literal") if method == "mcdrl_literal" else nullcontext():
            model = build_model(method, asked, PACK)
        assert interventions.name_of(model.intervention) == name
        assert model.average == "feature"
        assert title_of(method, asked) == title_of(method)
    assert title_of("adjusted", asked) == "MCDRL + do(z), film"
    assert title_of("baseline", asked) == "Baseline"


def test_attention_of_its_own_reads_what_another_layer_would_not(tiny_weights) -> None:
    own = {"depth": 2, "heads": 4, "methods": ("mcdrl_literal",), "vlm": str(tiny_weights)}
    asked = config(intervention="film", **own)
    with pytest.warns(match="literal"):
        model = build_model("mcdrl_literal", asked, PACK)
    told = model.configuration()["intervention"]
    assert (told["depth"], told["heads"]) == (2, 4)
    both = asked.model_copy(update={"methods": ("mcdrl_literal", "mcdrl")})
    with pytest.raises(ConfigurationError, match="--depth 2: expected --intervention cross_att"):
        require_parts(both, PACK)


def test_an_ablation_looks_at_the_methods_that_it_trains(tiny_weights, tmp_path, capsys) -> None:
    asked = ["--methods", "mcdrl_literal", "--intervention", "film", "--depth", "2"]
    words = ["ablate", "modules", *asked, "--vlm", str(tiny_weights), "--out", str(tmp_path)]
    assert main(words) == 2
    assert "--depth 2: expected --intervention cross_attention" in capsys.readouterr().err
    assert not (tmp_path / "cells").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"intervention": "flim"}, "unknown intervention layer 'flim'; did you mean film"),
        (
            {"intervention": "film", "estimator": "enumerate"},
            "unknown estimator 'enumerate'; did you mean enumeration",
        ),
        (
            {"estimator": "enumeration"},
            "--estimator enumeration: expected a layer A(f, z) that can be summed over z, found "
            "--intervention cross_attention; take film or gated_mlp or translation",
        ),
        ({"intervention": "leace", "average": "logit"}, "or leave --average out"),
        ({"intervention": "film", "depth": 2}, "--depth 2: expected --intervention cross_attent"),
        ({"intervention": "film", "heads": 4}, "cross_attention or front_door, which has it"),
        ({"intervention": "stylip"}, "found one that needs text, context, scale"),
        ({"prior": ("unifrm",)}, "unknown prior 'unifrm'; did you mean uniform"),
        ({"prior": ("blr=1",)}, "unknown confounder of --prior 'blr'; did you mean blur"),
        ({"prior": ("blur=1",)}, "expected a number for each of the pack's confounders"),
        ({"prior": ("blur=1", "blur=2")}, "expected one number for blur, found two"),
        ({"prior": ("blur=much",)}, "NAME=NUMBER for each confounder, found 'blur=much'"),
        ({"prior": ("uniform", "empirical")}, "NAME=NUMBER"),
        ({"prior": tuple(f"{name}=0" for name in NAMES)}, "that are not all zero"),
        ({"prior": ("blur=1",), "dictionary": "kmeans"}, "leave one of the two flags out"),
        ({"prior": ("empirical",), "dictionary": "learned"}, "expected the dictionary text"),
    ],
)
def test_what_does_not_exist_or_does_not_fit_is_one_sentence(settings, words) -> None:
    with pytest.raises((ConfigurationError, UnknownNameError)) as refused:
        require_parts(config(**settings), PACK)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"frames_per_site": 20}, "--frames-per-site 20: expected images of one's own, found no"),
        ({"data": "x", "scenes": 3}, "--scenes 3: expected rendered sites, found --data x; leave"),
        ({"data": "x", "images_per_site": 8}, "--images-per-site 8: expected rendered sites"),
        ({"data": "x", "correlation": 1.0}, "--correlation 1.0: expected rendered sites"),
        ({"lambda_lesion": 0.5}, "--lambda-lesion 0.5: expected several lesions to tell apart"),
        ({"methods": ["baseline", "mcdrl_literal"], "merge": "add"}, "found mcdrl_literal, which"),
    ],
)
def test_a_flag_that_nothing_would_read_is_refused(settings, words) -> None:
    with pytest.raises(ConfigurationError) as refused:
        refuse_unread(RecipeConfig.model_validate(settings))
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"data": "x", "frames_per_site": 20, "images_per_site": 140},
        {"scenes": 3, "images_per_site": 8, "lambda_lesion": 0.5, "task": "multiclass"},
        {"methods": ["mcdrl", "mcdrl_literal"], "merge": "add"},
        {"methods": ["mcdrl_literal"], "merge": "replace"},
    ],
)
def test_a_flag_that_is_read_is_not(settings) -> None:
    refuse_unread(RecipeConfig.model_validate(settings))


def test_it_is_refused_before_anything_is_made(tiny_weights, tmp_path, capsys) -> None:
    out = tmp_path / "run"
    for command in (["train"], ["table", "main"]):
        words = [*command, "--vlm", str(tiny_weights), "--out", str(out), "--intervention", "flim"]
        assert main(words) == 2
        assert "did you mean film" in capsys.readouterr().err
        assert not out.exists()
    words = ["ablate", "depth", "--out", str(out), "--intervention", "film"]
    assert main(words) == 2
    assert "expected the intervention cross_attention" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "--average", "logits"])
    assert "logit" in capsys.readouterr().err


def test_a_prior_of_numbers_is_the_dictionarys(tiny_weights) -> None:
    numbers = tuple(f"{name}={m}" for m, name in enumerate(NAMES))
    model = build_model("mcdrl", config(prior=numbers[::-1], vlm=str(tiny_weights)), PACK)
    expected = torch.arange(12) / 66
    torch.testing.assert_close(model.dictionary().prior, expected)
    assert model(torch.rand(1, 3, 64, 64)).isfinite().all()  # with one of them at zero


@pytest.mark.parametrize(
    ("prior", "kind"), [("uniform", "uniform"), ("empirical", "frequency"), (None, "frequency")]
)
def test_a_prior_of_prototypes(prior, kind, tiny_weights) -> None:
    words = () if prior is None else (prior,)
    asked = config(prior=words, dictionary="class_means", vlm=str(tiny_weights))
    assert build_model("mcdrl", asked, PACK).dictionary.options()["prior"] == kind
