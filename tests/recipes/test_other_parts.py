"""Dictionaries and level interventions that are made from images, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from deconfound import CausalSegmenter
from deconfound.diagnostics.refuters import RandomCommonCause, Training
from deconfound.dictionaries import dictionaries
from deconfound.encoders.level_interventions import FeatureStatistics, level_interventions
from deconfound.errors import ConfigurationError, DeconfoundWarning
from deconfound.packs import PromptPack
from deconfound.rivals.reversal import SiteAdversary
from deconfound.training.progress import Watcher
from recipes.endoscopy_mcdrl import train
from recipes.endoscopy_mcdrl.__main__ import main
from recipes.endoscopy_mcdrl.cohort import assemble
from recipes.endoscopy_mcdrl.config import load_profile
from recipes.endoscopy_mcdrl.methods import build_criterion
from recipes.endoscopy_mcdrl.refute import trainer
from tests.recipes.discs import manifest
from tests.tiny import tiny_vlm

QUICK = ["--epochs", "1", "--image-size", "64", "--batch-size", "8", "--depth", "1", "--heads", "4",
         "--decoder", "Linknet"]  # fmt: skip
PACK = PromptPack.load("endoscopy")


def asked(weights: Path, out: Path, *more: str) -> list[str]:
    few = [] if "--data" in more else ["--images-per-site", "8"]
    return ["train", *QUICK, *few, "--vlm", str(weights), "--out", str(out), *more]


@pytest.mark.parametrize(
    ("dictionary", "level", "method", "name"),
    [
        ("kmeans", "erasure", "mcdrl", "cluster 12"),
        ("class_means", "mixstyle", "mcdrl", "inflammation"),
        ("learned", "statistics", "adjusted", "learned 12"),
    ],
)
def test_they_train_are_shown_and_are_saved(
    dictionary, level, method, name, tiny_weights, tmp_path, capsys
) -> None:
    out = tmp_path / "run"
    parts = ["--dictionary", dictionary, "--level-intervention", level, "--methods", method]
    assert main(asked(tiny_weights, out, *parts)) == 0
    assert name in (out / "report.html").read_text()  # in the bars beside the gallery
    model = CausalSegmenter.from_pretrained(out / "models" / method)
    assert dictionaries.name_of(model.dictionary) == dictionary
    assert level_interventions.name_of(model.level_intervention) == level
    capsys.readouterr()
    assert main(["evaluate", str(out), "--json"]) == 0
    before = json.loads((out / "results.json").read_text())
    assert json.loads(capsys.readouterr().out)["methods"] == before["methods"]


def test_class_means_of_one_class_alone_have_a_report(tiny_weights, tmp_path) -> None:
    """The other classes have no prior, so that nothing is left where the one is left out."""
    out, data = tmp_path / "run", ["--data", str(manifest(tmp_path))]
    words = asked(tiny_weights, out, *data, "--dictionary", "class_means", "--methods", "mcdrl")
    with pytest.warns(DeconfoundWarning, match="no lesion of tumor"):
        assert main(words) == 0
    assert "polyp" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--dictionary", "kmeans", "--centre"], "leave one of the two flags out"),
        (
            ["--level-intervention", "statistics", "--image-size", "32"],
            "images of more than 32 pixels",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_made(
    flags, words, tiny_weights, tmp_path, capsys
) -> None:
    assert main(asked(tiny_weights, tmp_path / "run", *flags)) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def plain_run(tiny_weights, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(train, "report", lambda *told: None)  # a page that nobody reads here
        assert main(asked(tiny_weights, out, "--methods", "mcdrl")) == 0
    return out


def trained(weights: Path, out: Path, *more: str) -> tuple[train.RunFolder, CausalSegmenter]:
    """Train MCDRL with other parts, and return the run with its model."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(train, "report", lambda *told: None)
        assert main(asked(weights, out, "--methods", "mcdrl", *more)) == 0
    run = train.RunFolder.open(out)
    return run, CausalSegmenter.from_pretrained(run.model_path("mcdrl"))


@pytest.mark.parametrize(
    "parts",
    [("--dictionary", "kmeans"), ("--level-intervention", "statistics")],
    ids=["kmeans", "statistics"],
)
def test_what_is_made_from_images_is_trained_again(parts, tiny_weights, tmp_path) -> None:
    """With the real dictionary it is the run bit for bit; a changed one of other size fits too."""
    run, model = trained(tiny_weights, tmp_path / "run", *parts)
    again, z = trainer(run, "mcdrl", model), model.dictionary()
    real = again(Training(z), tmp_path / "real", Watcher())
    for name, value in model.state_dict().items():
        assert torch.equal(value, real.state_dict()[name]), name
    coin = RandomCommonCause().change(z, 0)
    changed = again(Training(coin), tmp_path / "coin", Watcher())
    assert changed.dictionary().names == coin.names
    if isinstance(changed.level_intervention, FeatureStatistics):
        assert changed.level_intervention.names == coin.names
        assert changed.level_intervention.prior.any()  # fitted again


def test_dealt_masks_and_other_regions_are_trained_with(plain_run, tmp_path) -> None:
    run = train.RunFolder.open(plain_run)
    model = CausalSegmenter.from_pretrained(run.model_path("mcdrl"))
    again, z = trainer(run, "mcdrl", model), model.dictionary()
    asked_for = (Training(z), Training(z, dealt=0), Training(z, regions=0))
    made = [again(one, tmp_path / str(n), Watcher()) for n, one in enumerate(asked_for)]
    weights = [torch.cat([p.flatten() for p in one.parameters()]) for one in made]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(made[0].prompts.classes, made[2].prompts.classes)
    assert torch.equal(made[0].prompts.classes, made[1].prompts.classes)


WORDS = {"weigh_by": "words"}


@pytest.mark.parametrize(
    ("parts", "setting", "method", "words"),
    [
        ({"dictionary": "learned"}, {}, "mcdrl", "a changed one would only be another start"),
        ({}, {**WORDS, "calibrate": True}, "adjusted", "--calibrate, which fits it to confounders"),
        ({"dictionary": "kmeans"}, WORDS, "adjusted", "a KMeansDictionary and weights read with"),
        (
            {"dictionary": "kmeans", "intervention": "leace"},
            {},
            "mcdrl",
            "a KMeansDictionary and an eraser read with",
        ),
        (
            {"dictionary": "class_means", "level_intervention": "statistics"},
            {},
            "mcdrl",
            "a ClassMeanDictionary and a level intervention read with the pack's words",
        ),
    ],
)
def test_what_has_no_meaning_trained_again_is_one_sentence(
    parts, setting, method, words, plain_run
) -> None:
    run = train.RunFolder.open(plain_run)
    run.config = {**run.config, **setting}
    model = CausalSegmenter(vlm=tiny_vlm(), **parts)
    with pytest.raises(ConfigurationError, match=words):
        trainer(run, method, model)


def test_a_rivals_loss_starts_the_same_whatever_was_trained_before(tmp_path) -> None:
    config = load_profile("default").model_copy(update={"image_size": 64, "images_per_site": 16})
    cohort = assemble(config, PACK, lambda *done: None)
    model = CausalSegmenter("Linknet", vlm=tiny_vlm(), selector="all", intervention="identity")
    starts = []
    for drawn_before in (1, 7):
        torch.rand(drawn_before)
        criterion = build_criterion("dann", config, model, cohort)
        starts.append(torch.cat([weight.flatten() for weight in criterion.parameters()]))
    assert starts[0].numel()
    assert torch.equal(*starts)


def test_a_rivals_ramp_ends_with_its_training(tmp_path) -> None:
    few = {"image_size": 64, "images_per_site": 16, "epochs": 3, "batch_size": 20}
    config = load_profile("default").model_copy(update=few)
    cohort = assemble(config, PACK, lambda *done: None)
    model = CausalSegmenter("Linknet", vlm=tiny_vlm(), selector="all", intervention="identity")
    whole_batches = len(cohort.train) // 20
    assert len(cohort.train) % 20, "the rest is left out of an epoch"
    for processes, steps in {1: 3 * whole_batches, whole_batches: 3}.items():
        criterion = build_criterion("dann", config, model, cohort, processes=processes)
        (adversary,) = (m for m in criterion.modules() if isinstance(m, SiteAdversary))
        assert adversary.ramp_steps == steps
