"""Mistakes that other repositories make, by name: each test fails where one of them is made here.

Three more, about how scores are taken, are in tests/study/test_traps.py.
"""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor

from deconfound import CausalSegmenter
from deconfound.data import FolderDataset, Sample
from deconfound.errors import DeconfoundWarning, RunFolderError, UnknownNameError
from deconfound.packs import PromptPack
from deconfound.refuting.command import _pictures
from deconfound.refuting.flags import parse
from deconfound.refuting.recipe import Recipe
from deconfound.study import score_images
from deconfound.training import RunFolder, launch
from deconfound.training.history import EpochRecord
from deconfound.training.progress import Watcher
from deconfound.types import Explanation
from recipes.endoscopy_mcdrl import methods as methods_module
from recipes.endoscopy_mcdrl import train
from recipes.endoscopy_mcdrl.__main__ import main
from recipes.endoscopy_mcdrl.cohort import Cohort, assemble
from recipes.endoscopy_mcdrl.config import RecipeConfig
from recipes.endoscopy_mcdrl.methods import build_model, grid_of, method_names
from recipes.endoscopy_mcdrl.predict import segment
from recipes.endoscopy_mcdrl.readers import discover
from recipes.endoscopy_mcdrl.study import ablations, tables
from recipes.endoscopy_mcdrl.study.cells import Cell, CellRecord, pairs
from recipes.endoscopy_mcdrl.study.run_cell import run_cell
from recipes.endoscopy_mcdrl.study.settings import StudySettings
from recipes.endoscopy_mcdrl.study.store import Store
from tests.recipes.discs import manifest
from tests.recipes.frames import made_up

pytestmark = pytest.mark.filterwarnings("ignore:merge='replace' is the literal equation")

HOLDOUT = "site2"
ITEM = {"image", "mask", "class_index", "site_index", "index"}


def tiny(out: Path, weights: Path, data: Path | None, **changes: Any) -> StudySettings:
    values = {"epochs": 1, "image_size": 32, "batch_size": 4, "depth": 1, "heads": 4,
              "images_per_site": 8, "decoder": "Linknet", "vlm": str(weights), "out": out,
              "data": data}  # fmt: skip
    return StudySettings.model_validate({**values, **changes})


def cell_of(method: str, settings: StudySettings) -> Cell:
    return Cell(method, settings.vlm, HOLDOUT, setting=pairs(grid_of(method, settings)[0]))


def cohort_of(settings: StudySettings, holdout: str) -> Cohort:
    recipe = settings.recipe(Cell("baseline", settings.vlm, holdout))
    return assemble(recipe, PromptPack.load("endoscopy"), lambda done, total: None)


@dataclasses.dataclass
class Trained:
    """One method, trained: the texts that were read, what its loss was given, and the model."""

    texts: list[str]
    given: list[Any]
    model: CausalSegmenter


@pytest.fixture(scope="module")
def discs(tmp_path_factory) -> Path:
    return manifest(tmp_path_factory.mktemp("discs"))


@pytest.fixture(scope="module")
def trained(tiny_weights, discs, tmp_path_factory) -> Callable[[str], Trained]:
    """Train a method, once for all tests."""
    settings = tiny(tmp_path_factory.mktemp("trained"), tiny_weights, discs)

    @cache
    def once(method: str) -> Trained:
        texts, given = [], []
        with pytest.MonkeyPatch.context() as patched:
            listen(patched, texts, given)
            run_cell(cell_of(method, settings), settings)
        path = Store(settings.out).model_path(cell_of(method, settings))
        return Trained(texts, given, CausalSegmenter.from_pretrained(path))

    return once


def listen(patched: pytest.MonkeyPatch, texts: list[str], given: list[Any]) -> None:
    """Write down every text that is tokenised, and every argument of a loss."""
    encode, build = open_clip.SimpleTokenizer.encode, methods_module.build_criterion

    def heard(self: Any, text: str) -> list[int]:
        texts.append(text)
        return encode(self, text)

    def built(*arguments: Any) -> torch.nn.Module:
        criterion = build(*arguments)
        criterion.register_forward_pre_hook(
            lambda _, args, named: given.extend([*args, *named.values()]), with_kwargs=True
        )
        return criterion

    patched.setattr(open_clip.SimpleTokenizer, "encode", heard)
    patched.setattr(methods_module, "build_criterion", built)


# Texts that state, for one picture, where its lesion lies


@pytest.mark.parametrize("method", method_names())
def test_every_picture_is_read_with_the_same_texts(method: str, trained) -> None:
    pack, read = PromptPack.load("endoscopy"), trained(method)
    own = [*pack.class_prompts(), pack.normal_prompt(), *pack.confounder_prompts()]
    own += [text for row in pack.joint_prompts() for text in row]
    of_rivals = [*(lesion.text for lesion in pack.classes), pack.normal, "a photo of a", ""]
    assert set(own) <= set(read.texts) <= {*own, *of_rivals}
    assert read.given
    assert all(isinstance(one, Tensor | Explanation | bool | None) for one in read.given)


@pytest.mark.parametrize("rendered", [True, False])
def test_an_item_is_pixels_and_numbers(rendered: bool, tiny_weights, discs, tmp_path) -> None:
    settings = tiny(tmp_path, tiny_weights, None if rendered else discs)
    cohort = cohort_of(settings, "E-colonoscopy" if rendered else HOLDOUT)
    for images in (cohort.train, cohort.validation, cohort.target):
        for item in (images[row] for row in range(len(images))):
            assert set(item) == ITEM
            assert all(isinstance(value, Tensor | int) for value in item.values())


def test_a_sentence_beside_a_picture_is_not_read(tmp_path) -> None:
    path = manifest(tmp_path, sites=1)
    plain = [site.samples for site in discover(path)]
    head, *lines = path.read_text().splitlines()
    told = [f"{head},prompt", *(f"{line},a polyp in the upper left" for line in lines)]
    path.write_text("\n".join(told))
    (site,) = discover(path)
    assert [site.samples] == plain
    assert any("prompt" in note for note in site.notes)
    assert {field.name for field in dataclasses.fields(Sample)} == {
        "image", "mask", "site", "group", "class_name", "mask_rule", "channel_order"
    }  # fmt: skip


# BGR fed as RGB


def release(folder: Path, blue_first: bool) -> Path:
    """Write BM-BronchoLC as it is released, two reddish pictures."""
    part = folder / "Lung_cancer"
    outlines = []
    for name in ("i1", "i2"):
        pixels = np.random.default_rng(len(name)).integers(0, 80, (32, 32, 3), dtype=np.uint8)
        pixels[..., 0] += 150
        path = part / "imgs" / f"patient-{name}" / "video" / f"{name}.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(pixels[..., ::-1] if blue_first else pixels).save(path)
        corners = [{"x": x, "y": y} for x, y in ((4, 4), (20, 4), (20, 20), (4, 20))]
        outlines.append({"object_id": name, "label_ids": ["t"], "data": corners})
    (part / "annotation.json").write_text(json.dumps(outlines))
    (part / "labels.json").write_text(json.dumps([{"id": "t", "name": "Tumor"}]))
    return folder


@pytest.fixture(scope="module")
def run(tiny_weights, tmp_path_factory) -> Path:
    """A run with a model that nobody trained."""
    values = {"vlm": str(tiny_weights), "image_size": 32, "methods": ("baseline",)}
    config = RecipeConfig.model_validate(values)
    path = tmp_path_factory.mktemp("runs") / "run"
    folder = RunFolder.create(path, config.model_dump(mode="json"))
    model = build_model("baseline", config, PromptPack.load("endoscopy"))
    model.save_pretrained(folder.model_path("baseline"))
    return path


@pytest.fixture
def seen(monkeypatch) -> list[tuple[Tensor, Tensor]]:
    """Every picture that a model sees, and its logits."""
    pictures: list[tuple[Tensor, Tensor]] = []
    forward = CausalSegmenter.forward

    def watched(self: CausalSegmenter, images: Tensor) -> Tensor:
        logits = forward(self, images)
        pictures.append((images.detach().clone(), logits.detach().clone()))
        return logits

    monkeypatch.setattr(CausalSegmenter, "forward", watched)
    return pictures


def same(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_a_dataset_turns_files_that_hold_blue_first(tmp_path) -> None:
    right, turned = (
        discover(release(tmp_path / name, blue_first))[0].samples
        for name, blue_first in (("BM-BronchoLC", False), ("BM-BronchoLC_BGR", True))
    )
    assert {sample.channel_order for sample in turned} == {"bgr"}
    for one, other in zip(right, turned, strict=True):
        first, second = (FolderDataset([s], 32, ["tumor"])[0]["image"] for s in (one, other))
        assert torch.equal(first, second)
        assert first[0].mean() > first[2].mean() + 0.3  # red, as tissue is
        undeclared = dataclasses.replace(other, channel_order="rgb")
        assert not torch.equal(first, FolderDataset([undeclared], 32, ["tumor"])[0]["image"])


def test_evaluate_shows_the_model_rgb(run, seen, tmp_path, capsys) -> None:
    for name, blue_first in (("rgb", False), ("x_BGR", True), ("undeclared", True)):
        folder = release(tmp_path / name, blue_first)
        assert main(["evaluate", str(run), "--data", str(folder), "--json"]) == 0
    told = capsys.readouterr().out.split("\n}\n")
    right, turned, wrong = seen
    assert told[0] == told[1]
    assert same(right, turned)
    assert not torch.equal(right[1], wrong[1])  # so that the colours count


def test_sites_are_named_whose_files_hold_blue_first(tmp_path) -> None:
    """Whatever reads them, a folder's name left as it is: a manifest's site here."""
    twins = [tmp_path / "rgb", tmp_path / "bgr"]
    for twin in twins:
        twin.mkdir()
        manifest(twin, sites=2)
    for path in twins[1].glob("0-?.png"):
        Image.fromarray(np.array(Image.open(path))[..., ::-1]).save(path)
    right = {site.name: site.samples for site in discover(twins[0])}
    turned = {site.name: site.samples for site in discover(twins[1], ["SITE0"])}
    assert {s.channel_order for s in turned["site0"]} == {"bgr"}
    assert {s.channel_order for s in turned["site1"]} == {"rgb"}
    for name, samples in right.items():
        images = [FolderDataset(s, 32, ["polyp"]) for s in (samples, turned[name])]
        for first, second in zip(*images, strict=True):
            assert torch.equal(first["image"], second["image"])
    with pytest.raises(UnknownNameError, match="unknown site in --bgr 'site9'; did you mean"):
        discover(twins[1], ["site9"])


def test_evaluate_and_refute_turn_the_sites_that_are_named(run, seen, tmp_path, capsys) -> None:
    right, turned = release(tmp_path / "rgb", False), release(tmp_path / "undeclared", True)
    words = [str(run), "--data", str(turned), "--bgr", "bm-broncholc"]
    assert main(["evaluate", str(run), "--data", str(right), "--json"]) == 0
    assert main(["evaluate", *words, "--json"]) == 0
    assert same(*seen)
    folder = RunFolder.open(run)
    model = CausalSegmenter.from_pretrained(folder.model_path("baseline"))
    recipe = Recipe("refute", discover)
    flags = parse([*words, "--site", "BM-BronchoLC"], recipe.program)
    shown = _pictures(folder, flags, model, recipe).images[0]["image"]
    assert torch.equal(shown, FolderDataset(discover(right)[0].samples, 32, ["tumor"])[0]["image"])
    folder.config.update(data=str(turned), bgr=["BM-BronchoLC"])  # a run that was told
    flags = parse([str(run), "--site", "BM-BronchoLC"], recipe.program)
    assert torch.equal(_pictures(folder, flags, model, recipe).images[0]["image"], shown)


def test_predict_shows_the_model_rgb(run, seen, tmp_path) -> None:
    right = release(tmp_path / "rgb", False) / "Lung_cancer/imgs/patient-i1/video/i1.png"
    turned = release(tmp_path / "bgr", True) / "Lung_cancer/imgs/patient-i1/video/i1.png"
    given = ([str(right)], [str(turned), "--channel-order", "bgr"], [str(turned)])
    for number, words in enumerate(given):
        out = str(tmp_path / f"out{number}")
        assert main(["predict", *words, "--run", str(run), "--out", out]) == 0
    first, second, wrong = seen
    assert same(first, second)
    assert not torch.equal(first[1], wrong[1])
    pictures = [np.array(Image.open(tmp_path / f"out{n}" / "i1_overlay.png")) for n in (0, 1)]
    np.testing.assert_array_equal(*pictures)


# A resumption that silently starts over


class Killed(Exception):
    """What stands for a kill."""


class Told(Watcher):
    """Remembers where a training began, and its epochs; dies after some of them."""

    def __init__(self, dies_after: int | None = None) -> None:
        self.dies_after, self.epochs_done, self.records = dies_after, -1, list[EpochRecord]()

    def begin(self, method: str, epochs: int, epochs_done: int, images: int) -> None:
        self.epochs_done = epochs_done
        if self.dies_after == 0:
            raise Killed

    def epoch(self, record: EpochRecord) -> None:
        self.records.append(record)
        if len(self.records) == self.dies_after:
            raise Killed

    @property
    def epochs(self) -> list[int]:
        return [record.epoch for record in self.records]


@pytest.fixture
def killed(tiny_weights, discs, tmp_path) -> Callable[..., tuple[Cell, StudySettings, Path]]:
    def after(epochs: int) -> tuple[Cell, StudySettings, Path]:
        """Begin a cell of two epochs, kill it, and return it with its folder of work."""
        settings = tiny(tmp_path / "study", tiny_weights, discs, epochs=2)
        cell = cell_of("baseline", settings)
        with pytest.raises(Killed):
            run_cell(cell, settings, Told(dies_after=epochs))
        return cell, settings, Store(settings.out).path(cell) / "work"

    return after


def test_a_resumed_cell_trains_what_is_left(killed) -> None:
    cell, settings, _ = killed(after := 1)
    run_cell(cell, settings, told := Told())
    assert (told.epochs_done, told.epochs) == (after, [1])


def test_a_cell_killed_in_its_first_epoch_has_made_no_progress(killed) -> None:
    cell, settings, work = killed(0)
    assert (work / "config.json").exists()
    assert not any((work / "checkpoints").iterdir())
    assert not Store(settings.out).is_finished(cell)
    run_cell(cell, settings, told := Told())
    assert (told.epochs_done, told.epochs) == (0, [0, 1])


def test_a_checkpoint_that_is_gone_is_not_passed_over_in_silence(killed) -> None:
    cell, settings, work = killed(1)
    shutil.rmtree(work / "checkpoints" / "baseline")
    with pytest.warns(DeconfoundWarning, match=r"after epoch 1, found none; baseline starts over"):
        run_cell(cell, settings, told := Told())
    assert (told.epochs_done, told.epochs) == (0, [0, 1])


@pytest.mark.parametrize(
    ("file", "spoil"), [("last", lambda path: path.write_bytes(b"no")), ("best", Path.unlink)]
)
def test_a_damaged_checkpoint_is_an_error_that_says_what_to_delete(killed, file, spoil) -> None:
    cell, settings, work = killed(1)
    folder = work / "checkpoints" / "baseline"
    spoil(folder / f"{file}.safetensors")
    with pytest.raises(RunFolderError, match=rf"{file}\.safetensors: .*delete {folder} to train"):
        run_cell(cell, settings)
    shutil.rmtree(folder)
    with pytest.warns(DeconfoundWarning, match="starts over"):
        run_cell(cell, settings, told := Told())
    assert told.epochs == [0, 1]


def test_work_that_is_no_run_is_not_taken_for_one(killed) -> None:
    cell, settings, work = killed(1)
    (work / "config.json").unlink()
    with pytest.raises(RunFolderError, match=f"{work}: .*delete the folder"):
        run_cell(cell, settings)


def test_a_resumed_history_has_every_epoch_once(tiny_weights, discs, tmp_path, monkeypatch) -> None:
    out, histories = tmp_path / "run", []
    monkeypatch.setattr(
        train, "report", lambda *told: histories.extend(one.history for one in told[4])
    )
    words = ["train", "--data", str(discs), "--vlm", str(tiny_weights), "--out", str(out),
             "--methods", "baseline", "--epochs", "3", "--image-size", "32", "--batch-size", "4",
             "--heads", "4", "--decoder", "Linknet", "--json"]  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(train, "TrainingProgress", lambda console: Context(Told(dies_after=2)))
        with pytest.raises(Killed):
            main(words)
    metrics = out / "metrics.jsonl"
    metrics.write_text(2 * metrics.read_text())  # as two commands at once would leave it
    assert main([*words, "--resume"]) == 0
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    assert [record.epoch for record in histories[0].records] == [0, 1, 2]


class Context:
    """A watcher as a context, as the bar is one."""

    def __init__(self, watcher: Told) -> None:
        self.watcher = watcher

    def __enter__(self) -> Told:
        return self.watcher

    def __exit__(self, *error: object) -> None:
        pass


# An evaluation that is random without saying so


@pytest.mark.parametrize("method", method_names())
def test_evaluating_again_gives_the_same_bits(method, trained, tiny_weights, discs, seen, tmp_path):
    model, settings = trained(method).model.train(), tiny(tmp_path, tiny_weights, discs)
    cohort, fabric = cohort_of(settings, HOLDOUT), launch(settings.loop)
    first = score_images(model, cohort.target, fabric, batch_size=4)
    score_images(model, cohort.train, fabric, batch_size=3)  # another one in between
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002  (the state that another library would draw from)
    random.seed(99)
    again = score_images(model, cohort.target, fabric, batch_size=4)
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert same(seen[0], seen[-1])
    assert model.training


def test_predicting_again_gives_the_same_mask(run) -> None:
    model = CausalSegmenter.from_pretrained(RunFolder.open(run).model_path("baseline"))
    picture = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    first = segment(model, picture, 32)
    torch.manual_seed(99)
    np.testing.assert_array_equal(first, segment(model, picture, 32))


# The best epoch by the target's Dice


@pytest.fixture
def other_target(discs, tmp_path) -> Path:
    """The same sites, but for the pictures and masks of the one held out."""
    folder = Path(shutil.copytree(discs.parent, tmp_path / "other"))
    for mask in folder.glob(f"{HOLDOUT[-1]}-*_mask.png"):
        lesion = np.zeros((40, 48), np.uint8)
        lesion[:, 24:] = 255
        Image.fromarray(lesion).save(mask)
        image = mask.with_name(mask.name.replace("_mask", ""))
        Image.fromarray(255 - np.array(Image.open(image))).save(image)
    return folder / "manifest.csv"


def chosen(settings: StudySettings, method: str) -> tuple[list[tuple], CellRecord, bytes]:
    """Train a cell; return its epochs, its record and its weights."""
    cell = cell_of(method, settings)
    record = run_cell(cell, settings, told := Told())
    weights = Store(settings.out).model_path(cell) / "model.safetensors"
    epochs = [(each.epoch, each.best, each.val_dice, each.loss) for each in told.records]
    return epochs, record, weights.read_bytes()


def test_the_held_out_site_chooses_nothing(tiny_weights, discs, other_target, tmp_path) -> None:
    one, other = (
        chosen(tiny(tmp_path / name, tiny_weights, data, epochs=3), "adjusted")
        for name, data in (("one", discs), ("two", other_target))
    )
    assert one[0] == other[0]  # epochs, the best of them, and their Dice
    assert one[1].validation_dice == other[1].validation_dice  # which chooses the setting
    assert one[2] == other[2]
    assert not one[1].oracle
    frames = [Store(tmp_path / n).images([one[1].cell]) for n in ("one", "two")]
    assert frames[0]["dice"].tolist() != frames[1]["dice"].tolist()  # the sites do differ


def test_an_oracle_looks_at_the_held_out_site_and_says_so(
    tiny_weights, discs, other_target, tmp_path
) -> None:
    one, other = (
        chosen(tiny(tmp_path / name, tiny_weights, data, epochs=2, oracle=True), "baseline")
        for name, data in (("one", discs), ("two", other_target))
    )
    assert [dice for _, _, dice, _ in one[0]] != [dice for _, _, dice, _ in other[0]]
    assert one[1].oracle
    frame = Store(tmp_path / "one").images([one[1].cell])
    assert frame["title"].str.endswith("(oracle)").all()


def test_every_table_of_an_oracle_says_so() -> None:
    methods = ("baseline", "dann", "mcdrl_without_mtrs", "mcdrl_without_cdrl", "mcdrl")
    settings = StudySettings(methods=methods, seeds=2, oracle=True)
    frame = made_up(dict.fromkeys(methods, 0.5))
    of_methods = [
        of(frame, settings)
        for of in (tables.main_table, tables.metric_table, tables.difference_table,
                   tables.lesion_table, ablations.module_table)
    ]  # fmt: skip
    assert all("(oracle)" in row[0] for table in of_methods for row in table.rows)
    varied = made_up({"mcdrl": 0.5}, setting='{"depth": 3, "prompts": 12}')
    record = CellRecord(Cell("mcdrl", "mini", "A", depth=3), 0.5, 1, 1.0, 1.0, "cpu", oracle=True)
    of_settings = [
        ablations.dictionary_table(varied, settings),
        ablations.depth_table(varied, [record], settings),
    ]
    assert all("(oracle)" in table.title for table in of_settings)
    for table in (*of_methods, *of_settings):
        assert any(note.startswith("ORACLE") for note in table.notes), table.name
        assert not any("validation patients" in note for note in table.notes), table.name
    assert not any(
        "ORACLE" in note
        for note in tables.main_table(frame, settings.model_copy(update={"oracle": False})).notes
    )


def test_an_oracle_of_train_says_so(tiny_weights, discs, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(train, "report", lambda *told: None)
    words = ["--data", str(discs), "--vlm", str(tiny_weights), "--out", str(tmp_path / "run"),
             "--methods", "baseline", "--epochs", "1", "--image-size", "32", "--batch-size", "4",
             "--decoder", "Linknet", "--oracle"]  # fmt: skip
    assert main(["train", *words]) == 0
    said = capsys.readouterr()
    assert "ORACLE" in said.err
    assert "by which the epochs were chosen" in " ".join(said.out.split())
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert [method["method"] for method in results["methods"]] == ["Baseline (oracle)"]
