"""The study: which cells there are, that none is trained twice, and what its tables say."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from deconfound.errors import DeconfoundError, RunFolderError
from deconfound.rivals import TRIALS
from deconfound.study import read_results
from deconfound.training.history import EpochRecord
from deconfound.training.progress import Silent
from recipes.endoscopy_mcdrl.__main__ import main
from recipes.endoscopy_mcdrl.methods import GRIDS, grid_of, method_names
from recipes.endoscopy_mcdrl.study import plan, tables
from recipes.endoscopy_mcdrl.study import run_cell as run_cell_module
from recipes.endoscopy_mcdrl.study.cells import Cell, CellRecord, pairs
from recipes.endoscopy_mcdrl.study.run_cell import run_cell
from recipes.endoscopy_mcdrl.study.settings import METHODS, StudySettings
from recipes.endoscopy_mcdrl.study.store import Store
from tests.tiny import TEXT, VISION

SITES = ("A-bronchoscopy", "E-colonoscopy")
QUICK = [
    *("--epochs", "1", "--image-size", "32", "--batch-size", "8", "--depth", "1", "--heads", "4"),
    *("--images-per-site", "8", "--seeds", "2", "--trials", "1"),
]


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory) -> Path:
    """A tiny model in open_clip's own local format."""
    folder = tmp_path_factory.mktemp("vlm")
    model = {"embed_dim": 32, "vision_cfg": VISION["vit"], "text_cfg": TEXT}
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**model).state_dict(), folder / "open_clip_model.safetensors")
    config = {"model_cfg": model, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


def flags(weights: Path, out: Path, *more: str) -> list[str]:
    return [*QUICK, "--vlm", str(weights), "--out", str(out), *more]


@pytest.fixture(scope="module")
def study(tiny_weights, tmp_path_factory) -> Path:
    """A finished study of two methods and two sites."""
    out = tmp_path_factory.mktemp("studies") / "study"
    words = flags(tiny_weights, out, "--methods", "baseline", "mcdrl", "--holdouts", *SITES)
    assert main(["table", "main", *words]) == 0
    return out


def tiny(tmp_path: Path, weights: Path, **changes) -> StudySettings:
    values = {"epochs": 2, "image_size": 32, "batch_size": 8, "depth": 1, "heads": 4,
              "images_per_site": 8, "vlm": str(weights), "out": tmp_path / "study"}  # fmt: skip
    return StudySettings.model_validate({**values, **changes})


# Which cells there are


def test_every_method_of_the_tables_exists_and_is_searched_alike():
    assert set(METHODS) <= set(method_names())
    assert {len(grid_of(method)) for method in METHODS} == {TRIALS}


def test_the_search_tries_as_many_settings_of_every_method():
    settings = StudySettings(methods=("baseline", "mcdrl"), trials=2, seeds=2)
    trials = plan.trial_cells(settings, SITES)
    assert len(trials) == len(set(trials)) == 2 * 2 * 2
    assert {cell.seed for cell in trials} == {settings.seed}


def test_repeats_hold_the_trials_own_seed_so_that_it_is_not_trained_again():
    settings = StudySettings(methods=("mcdrl",), seeds=3, seed=4)
    trials = plan.trial_cells(settings, SITES)
    repeated = plan.repeated(trials, settings)
    assert set(trials) < set(repeated)
    assert {cell.seed for cell in repeated} == {4, 5, 6}


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
values = st.floats(0, 1) | st.booleans() | st.lists(st.integers(-5, 5), max_size=3).map(tuple)
cells = st.builds(
    Cell,
    method=names,
    backbone=names,
    holdout=names,
    seed=st.integers(0, 99),
    setting=st.dictionaries(names, values).map(pairs),
    depth=st.none() | st.integers(1, 5),
    prompts=st.none() | st.integers(1, 15),
)


@given(cells, cells)
def test_two_cells_share_a_folder_only_if_they_are_one(first, second):
    assert (first.name == second.name) == (first == second)
    assert "/" not in first.name


@given(cells)
def test_a_record_comes_back_from_json(cell):
    record = CellRecord(cell, 0.5, 10, 1.5, 2.5, "cpu")
    from dataclasses import asdict

    assert CellRecord.from_mapping(json.loads(json.dumps(asdict(record)))) == record


def test_a_cell_changes_the_recipe_in_what_it_names_alone():
    settings = StudySettings(epochs=3, depth=2)
    cell = Cell("mcdrl", "mini", "A", seed=7, depth=4)
    recipe = settings.recipe(cell)
    assert (recipe.seed, recipe.depth, recipe.holdout, recipe.epochs) == (7, 4, "A", 3)
    assert settings.recipe(replace(cell, depth=None)).depth == 2
    assert len(settings.prompts(replace(cell, prompts=6)).confounders) == 6


def test_the_best_setting_is_the_one_of_the_best_validation_dice(tmp_path):
    store = FakeStore({0: 0.4, 1: 0.6, 2: 0.6})
    trials = plan.trial_cells(StudySettings(methods=("mcdrl",)), ["A"])
    store.trials = trials
    chosen = plan.chosen_cells(trials, store)
    assert chosen == [trials[1]]  # the first of equals


class FakeStore:
    """Validation Dice by the place of a trial."""

    def __init__(self, dice: dict[int, float]) -> None:
        self.dice, self.trials = dice, []

    def record(self, cell: Cell) -> CellRecord:
        return CellRecord(cell, self.dice[self.trials.index(cell)], 0, 0.0, 0.0, "cpu")


# Running, and not running again


def test_a_study_explains_itself(study):
    text = (study / "README.txt").read_text()
    for name in ("study.json", "results.parquet", "tables"):
        assert name in text
        assert (study / name).exists()
    frame = read_results(study / "results.parquet")
    assert set(frame["holdout"]) == set(SITES)
    assert set(frame["seed"]) == {0, 1}
    assert frame.groupby(["holdout", "method", "seed", "setting"]).size().eq(8).all()


def test_finished_cells_are_never_trained_again(study, tiny_weights, monkeypatch, capsys):
    def untouched(*arguments, **named):
        raise AssertionError("a finished cell was trained again")

    monkeypatch.setattr(run_cell_module, "fit", untouched)
    words = flags(tiny_weights, study, "--methods", "mcdrl", "baseline", "--holdouts", *SITES)
    assert main(["table", "lesions", *words]) == 0
    assert "nodule" in capsys.readouterr().out


def test_the_table_holds_our_figures_and_the_papers(study, tiny_weights, capsys):
    words = flags(tiny_weights, study, "--methods", "baseline", "mcdrl", "--holdouts", *SITES)
    assert main(["table", "main", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in told] == ["main", "metrics", "differences"]
    assert [row[""] for row in told[0]["rows"]] == ["Baseline", "MCDRL"]
    assert set(SITES) < set(told[0]["rows"][0])
    written = pd.read_csv(study / "tables" / "main.csv")
    assert list(written[SITES[0]]) == [row[SITES[0]] for row in told[0]["rows"]]


def test_other_settings_need_another_folder(study, tiny_weights, capsys):
    assert main(["table", "main", *flags(tiny_weights, study, "--epochs", "5")]) == 2
    error = capsys.readouterr().err
    assert "epochs (1 then, 5 now)" in error
    assert "another --out" in error


class Killed(Exception):
    """What stands for a kill."""


class KilledAfterAnEpoch(Silent):
    def epoch(self, record: EpochRecord) -> None:
        raise Killed


def test_a_killed_cell_goes_on_to_the_same_numbers(tmp_path, tiny_weights):
    settings = tiny(tmp_path, tiny_weights)
    cell = Cell("adjusted", str(tiny_weights), SITES[0], setting=pairs(GRIDS["adjusted"][0]))
    store = Store.prepare(settings)
    with pytest.raises(Killed):
        run_cell(cell, settings, KilledAfterAnEpoch())
    assert not store.is_finished(cell)
    assert (store.path(cell) / "work" / "checkpoints").exists()
    resumed = run_cell(cell, settings)
    frame = store.images([cell])
    shutil.rmtree(store.path(cell))
    straight = run_cell(cell, settings)
    assert resumed.validation_dice == straight.validation_dice
    pd.testing.assert_frame_equal(frame, store.images([cell]))
    assert not (store.path(cell) / "work").exists()


def test_an_oracle_says_so_in_every_row(tmp_path, tiny_weights):
    settings = tiny(tmp_path, tiny_weights, oracle=True, epochs=1)
    store = Store.prepare(settings)
    cell = Cell("baseline", str(tiny_weights), SITES[0])
    assert run_cell(cell, settings).oracle
    frame = store.images([cell])
    assert frame["title"].str.contains("oracle").all()
    table = tables.main_table(frame, settings.model_copy(update={"methods": ("baseline",)}))
    assert any("ORACLE" in note for note in table.notes)


def test_a_damaged_cell_is_named(tmp_path, tiny_weights):
    store = Store.prepare(tiny(tmp_path, tiny_weights))
    cell = Cell("baseline", "mini", "A")
    store.path(cell).mkdir(parents=True)
    (store.path(cell) / "cell.json").write_text("{")
    with pytest.raises(RunFolderError, match="delete"):
        store.record(cell)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["table", "mian"], "main"),
        (["table"], "main, lesions"),
        (["ablate", "depths"], "depth"),
        (["table", "main", "--methods", "dan"], "dann"),
        (["table", "main", "--holdouts", "E-colonscopy"], "E-colonoscopy"),
    ],
)
def test_a_wrong_word_is_answered_with_the_near_one(words, found, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert found in capsys.readouterr().err
    assert not any(tmp_path.rglob("cells"))


def test_jobs_through_submitit_come_to_the_same(study, tiny_weights, tmp_path):
    pytest.importorskip("submitit")
    out = tmp_path / "jobs"
    words = flags(tiny_weights, out, "--methods", "baseline", "--holdouts", SITES[0])
    words += ["--seeds", "1", "--executor", "local"]
    assert main(["table", "main", *words]) == 0
    here = read_results(study / "results.parquet")
    jobs = read_results(out / "results.parquet")
    same = here[(here["method"] == "baseline") & (here["holdout"] == SITES[0])]
    same = same[(same["seed"] == 0) & (same["setting"] == jobs["setting"].iloc[0])]
    np.testing.assert_allclose(jobs["dice"], same["dice"])
    assert any((out / "jobs").iterdir())


def test_a_failed_job_names_its_log_and_leaves_the_others(tmp_path, tiny_weights, capsys):
    pytest.importorskip("submitit")
    out = tmp_path / "jobs"
    words = flags(tiny_weights, out, "--methods", "baseline", "--holdouts", SITES[0])
    words += ["--seeds", "1", "--executor", "local", "--lr", "1e30"]
    assert main(["table", "main", *words]) == 2
    error = capsys.readouterr().err
    assert "1 of 1 jobs" in error
    assert ".err" in error


# Ablations and figures


def test_ablations_print_a_row_for_each_value(tmp_path, tiny_weights, capsys):
    out = tmp_path / "ablations"
    words = flags(tiny_weights, out, "--holdouts", SITES[0], "--seeds", "1", "--json")
    assert main(["ablate", "depth", *words]) == 0
    rows = json.loads(capsys.readouterr().out)[0]["rows"]
    assert [row["layers"] for row in rows] == ["1", "2", "3", "4", "5"]
    parameters = [float(row["M parameters"]) for row in rows]
    assert parameters == sorted(parameters)
    assert parameters[-1] > parameters[0]
    assert rows[0]["paper's Dice"] == "78.7"


@pytest.mark.slow
@pytest.mark.parametrize(("question", "rows"), [("dictionary", 5), ("modules", 4)])
def test_further_ablations(question, rows, tmp_path, tiny_weights, capsys):
    words = flags(tiny_weights, tmp_path / "out", "--holdouts", SITES[0], "--seeds", "1", "--json")
    assert main(["ablate", question, *words]) == 0
    assert len(json.loads(capsys.readouterr().out)[0]["rows"]) == rows


def test_ablations_vary_one_thing():
    settings = StudySettings(seeds=1)
    cells = plan.dictionary_cells(settings, ["A"])
    assert [cell.prompts for cell in cells] == [3, 6, 9, 12, 15]
    assert len({replace(cell, prompts=None) for cell in cells}) == 1
    assert [cell.method for cell in plan.module_cells(settings, ["A"])] == list(plan.MODULES)


def test_figures_are_drawn_from_the_kept_models(study, tiny_weights):
    words = flags(tiny_weights, study, "--methods", "baseline", "mcdrl", "--holdouts", *SITES)
    for question in ("tsne", "qualitative"):
        assert main(["figure", question, *words]) == 0
        (drawn,) = (study / "figures").glob(f"{question}*.png")
        assert drawn.stat().st_size > 10_000


def test_pictures_can_be_left_out(study, tiny_weights, capsys):
    words = flags(tiny_weights, study, "--methods", "baseline", "mcdrl", "--holdouts", *SITES)
    assert main(["figure", "qualitative", *words, "--no-pictures"]) == 2
    assert "--no-pictures" in capsys.readouterr().err


# Tables as queries


def test_the_best_rival_is_neither_ours_nor_the_baseline():
    frame = made_up({"baseline": 0.9, "dann": 0.5, "mixstyle": 0.6, "adjusted": 0.8})
    methods = ("baseline", "dann", "mixstyle", "adjusted")
    assert tables.best_rival(frame, methods) == "mixstyle"
    assert tables.best_rival(frame, ("baseline", "adjusted")) is None


def test_a_difference_is_the_difference_of_the_means():
    frame = made_up({"baseline": 0.5, "dann": 0.6, "adjusted": 0.7})
    settings = StudySettings(methods=("baseline", "dann", "adjusted"), seeds=2)
    rows = {row[0]: row for row in tables.difference_table(frame, settings).rows}
    assert rows["MCDRL + do(z)"][1].startswith("+20.0")
    assert rows["MCDRL + do(z)"][2].startswith("+10.0")
    assert rows["Baseline"][1] == "–"


def made_up(dice: dict[str, float]) -> pd.DataFrame:
    """Frames of one site and two seeds, every frame of a method scoring the same."""
    rows = [
        {"method": m, "title": m, "backbone": "mini", "holdout": "A", "seed": seed,
         "setting": "{}", "image": str(image), "group": str(image // 2), "lesion": "polyp",
         "dice": value, "iou": value, "acc": 1.0, "hd95": 1.0, "nsd": value,
         "tp": 1, "fp": 0, "fn": 0, "tn": 1}
        for m, value in dice.items() for seed in (0, 1) for image in range(8)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_errors_are_of_the_library(tmp_path):
    with pytest.raises(DeconfoundError):
        Store(tmp_path).collect()
