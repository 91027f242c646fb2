"""The study: which cells there are, that none is trained twice, and what its tables say."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import (
    ConfigurationError,
    DataError,
    DeconfoundError,
    RunFolderError,
    UnknownNameError,
)
from deconfound.rivals import TRIALS
from deconfound.study import read_results, summarise
from deconfound.training.history import EpochRecord
from deconfound.training.progress import Watcher
from deconfound.types import Intervened, Regions
from recipes.endoscopy_mcdrl.__main__ import main
from recipes.endoscopy_mcdrl.config import RecipeConfig
from recipes.endoscopy_mcdrl.methods import GRIDS, grid_of, loop_of, method_names
from recipes.endoscopy_mcdrl.pictures import worst_to_best
from recipes.endoscopy_mcdrl.study import (
    ablations,
    commands,
    executors,
    figures,
    notes,
    plan,
    tables,
)
from recipes.endoscopy_mcdrl.study import run_cell as run_cell_module
from recipes.endoscopy_mcdrl.study.cells import Cell, CellRecord, pairs
from recipes.endoscopy_mcdrl.study.collecting import collect
from recipes.endoscopy_mcdrl.study.figures import canvas, points, qualitative, tsne
from recipes.endoscopy_mcdrl.study.run_cell import run_cell
from recipes.endoscopy_mcdrl.study.settings import METHODS, StudySettings
from recipes.endoscopy_mcdrl.study.store import Store
from tests.recipes.discs import manifest
from tests.recipes.frames import made_up

SITES = ("A-bronchoscopy", "E-colonoscopy")
QUICK = [
    *("--epochs", "1", "--image-size", "32", "--batch-size", "8", "--depth", "1", "--heads", "4"),
    *("--images-per-site", "8", "--decoder", "Linknet", "--seeds", "2", "--trials", "1"),
]


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
              "images_per_site": 8, "decoder": "Linknet", "vlm": str(weights),
              "out": tmp_path / "study"}  # fmt: skip
    return StudySettings.model_validate({**values, **changes})


# Which cells there are


def test_every_method_of_the_tables_exists_and_is_searched_alike():
    assert set(METHODS) <= set(method_names())
    assert {len(grid_of(method, StudySettings())) for method in METHODS} == {TRIALS}


def test_the_search_tries_as_many_settings_of_every_method():
    settings = StudySettings(methods=("baseline", "mcdrl"), trials=2, seeds=2)
    trials = plan.trial_cells(settings, SITES)
    assert len(trials) == len(set(trials)) == 2 * 2 * 2
    assert {cell.seed for cell in trials} == {settings.seed}


def tried(method: str, **flags: object) -> list[object]:
    """Return the values that the search of one of ours tries."""
    (name,) = GRIDS[method][0]
    return [setting[name] for setting in grid_of(method, StudySettings.model_validate(flags))]


def test_a_search_begins_with_what_the_flags_say():
    assert tried("adjusted", transplant=0) == [0, "auto", 0.25]
    assert tried("adjusted", transplant=0.75) == [0.75, "auto", 0.25]
    assert tried("mcdrl", lambda_causal=1) == [1.0, 0.5, 0.1]
    assert tried("mcdrl_literal", lambda_causal=0.2) == [0.2, 0.5, 0.1]
    changed = StudySettings(transplant=0, lambda_causal=0.2)
    for method in set(method_names()) - {"mcdrl", "mcdrl_literal", "adjusted"}:
        assert grid_of(method, changed) == grid_of(method, StudySettings())


def test_one_trial_is_the_training_that_is_asked_for():
    settings = StudySettings(methods=("adjusted", "mcdrl"), trials=1, transplant=0)
    trials = plan.trial_cells(settings, SITES[:1])
    assert [cell.setting for cell in trials] == [(("transplant", 0.0),), (("lambda_causal", 0.5),)]


def test_an_ablation_is_of_what_the_flags_say():
    settings = StudySettings(seeds=1, lambda_causal=0.2)
    for ask in (plan.module_cells, plan.dictionary_cells, plan.depth_cells):
        own = [cell for cell in ask(settings, SITES[:1]) if cell.method == "mcdrl"]
        assert {cell.setting for cell in own} == {(("lambda_causal", 0.2),)}


@pytest.mark.parametrize("profile", ["default", "paper"])
def test_without_such_flags_the_search_is_the_one_that_is_written_down(profile):
    settings = commands._settings("table main", ["--config", profile])
    assert {method: grid_of(method, settings) for method in GRIDS} == GRIDS


def test_a_study_without_such_flags_has_the_cells_that_it_always_had():
    """A folder of finished cells stays one: their names follow from their settings."""
    settings = StudySettings(methods=("mcdrl", "adjusted"), seeds=1)
    cells = plan.trial_cells(settings, ["A"]) + plan.module_cells(settings, ["A"])
    assert [cell.name.removeprefix("A_mini_") for cell in cells] == [
        *("mcdrl_seed0_62ce866d", "mcdrl_seed0_c5c18230", "mcdrl_seed0_32d990d4"),
        *("adjusted_seed0_0489cd31", "adjusted_seed0_c4459800", "adjusted_seed0_53992892"),
        *("baseline_seed0_3d147e29", "mcdrl_without_mtrs_seed0_78608851"),
        *("mcdrl_without_cdrl_seed0_23d86f9e", "mcdrl_seed0_62ce866d"),
    ]


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


def test_models_that_lost_a_search_are_deleted_and_their_scores_stay(
    tmp_path, tiny_weights, monkeypatch
):
    monkeypatch.setattr(commands, "run_work", lambda *_: None)
    asked = {"methods": ("mcdrl", "dann"), "holdouts": SITES[:1], "seeds": 2}
    study = commands.Study(tiny(tmp_path, tiny_weights, **asked))
    store, trials = study.store, plan.trial_cells(study.settings, study.holdouts)
    for cell, dice in zip(trials, (0.5, 0.7, 0.6, 0.9, 0.8, 0.7), strict=True):
        store.finish(CellRecord(cell, dice, 0, 1.0, 1.0, "cpu"), made_up({cell.method: dice}))
        store.model_path(cell).mkdir()
        (store.model_path(cell) / "model.safetensors").write_bytes(b"weights")
    repeats = study.compared()
    assert [cell for cell in trials if store.model_path(cell).exists()] == [trials[1], trials[3]]
    assert set(repeats) & set(trials) == {trials[1], trials[3]}
    assert len(store.images(trials)) == len(trials) * len(made_up({"mcdrl": 0.5}))
    assert [store.record(cell).validation_dice for cell in trials[:3]] == [0.5, 0.7, 0.6]
    assert study.compared() == repeats


def test_two_commands_may_forget_the_same_model_at_once(tmp_path, monkeypatch):
    store, delete = Store(tmp_path), shutil.rmtree
    cell = Cell("mcdrl", "mini", SITES[0])
    store.model_path(cell).mkdir(parents=True)

    def beaten(path, **how):
        delete(path, ignore_errors=True)  # the other command is faster
        delete(path, **how)

    monkeypatch.setattr(shutil, "rmtree", beaten)
    store.forget_models([cell])
    assert not store.path(cell).joinpath("model").exists()


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

    monkeypatch.setattr(run_cell_module, "build_model", untouched)
    words = flags(tiny_weights, study, "--methods", "mcdrl", "baseline", "--holdouts", *SITES)
    assert main(["table", "lesions", *words]) == 0
    assert "nodule" in capsys.readouterr().out


def test_the_table_holds_our_figures_and_the_papers(study, tiny_weights, capsys):
    words = flags(tiny_weights, study, "--methods", "baseline", "mcdrl", "--holdouts", *SITES)
    assert main(["table", "main", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in told] == ["main", "metrics", "pooled", "differences"]
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


class KilledAfterAnEpoch(Watcher):
    def epoch(self, record: EpochRecord) -> None:
        raise Killed


def forget(path: Path, setting: str) -> None:
    """Leave a file of settings as a version left it that did not know one of them yet."""
    told = json.loads(path.read_text())
    del told.get("settings", told)[setting]
    path.write_text(json.dumps(told))


@pytest.mark.parametrize("earlier", [False, True])
def test_a_killed_cell_goes_on_to_the_same_numbers(tmp_path, tiny_weights, earlier):
    settings = tiny(tmp_path, tiny_weights)
    cell = Cell("adjusted", str(tiny_weights), SITES[0], setting=pairs(GRIDS["adjusted"][0]))
    store = Store.prepare(settings)
    with pytest.raises(Killed):
        run_cell(cell, settings, KilledAfterAnEpoch())
    assert not store.is_finished(cell)
    work = store.path(cell) / "work"
    assert (work / "checkpoints").exists()
    if earlier:
        for name in ("study.json", work / "config.json", work / "adjusting" / "adjusted.json"):
            forget(store.folder / name, "detail")
        store = Store.prepare(settings)
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


def test_a_killed_cell_goes_on_wherever_it_runs_and_however_it_is_shown(tmp_path, tiny_weights):
    settings = tiny(tmp_path, tiny_weights)
    cell = Cell("baseline", str(tiny_weights), SITES[0])
    with pytest.raises(Killed):
        run_cell(cell, settings, KilledAfterAnEpoch())
    with pytest.raises(RunFolderError, match=r"alpha \(0.5 then, 0.3 now\)"):
        run_cell(cell, settings.model_copy(update={"alpha": 0.3}))
    elsewhere = {"json_output": True, "pictures": False, "accelerator": "cpu"}
    assert run_cell(cell, settings.model_copy(update=elsewhere)).cell == cell


def test_two_processes_do_not_train_one_cell(tmp_path, tiny_weights, monkeypatch, capsys):
    settings = tiny(tmp_path, tiny_weights)
    cell, store = Cell("baseline", str(tiny_weights), SITES[0]), Store.prepare(settings)
    record = CellRecord(cell, 0.5, 0, 1.0, 1.0, "cpu")
    monkeypatch.setattr(run_cell_module, "build_model", None)  # a training would stumble
    with ThreadPoolExecutor(1) as pool:
        with store.alone(cell, print):
            waiting = pool.submit(run_cell, cell, settings)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            store.finish(record, made_up({"baseline": 0.5}))
        assert waiting.result(timeout=30) == record
    assert "another process is at work on it; waiting" in capsys.readouterr().err


def finished(settings: StudySettings, holdout: str = SITES[0]) -> tuple[Store, Cell]:
    """A study of one cell that was never trained."""
    cell, store = Cell("baseline", "mini", holdout), Store.prepare(settings)
    store.finish(CellRecord(cell, 0.5, 0, 1.0, 1.0, "cpu"), made_up({"baseline": 0.5}))
    return store, cell


def test_two_commands_do_not_write_one_table_at_a_time(tmp_path, tiny_weights):
    settings = tiny(tmp_path, tiny_weights)
    store, _ = finished(settings)
    with ThreadPoolExecutor(2) as pool:
        with store.writing():
            others = [pool.submit(Store.prepare, settings), pool.submit(collect, store, 0)]
            for other in others:
                with pytest.raises(TimeoutError):
                    other.result(timeout=0.3)
            assert not (settings.out / "results.parquet").exists()
        for other in others:
            other.result(timeout=30)
    assert (settings.out / "results.parquet").exists()


def test_what_a_kill_left_of_a_finished_cells_training_is_deleted(tmp_path, tiny_weights):
    store, cell = finished(tiny(tmp_path, tiny_weights))
    (store.path(cell) / "work").mkdir()  # killed right after cell.json
    collect(store, 0)
    assert not (store.path(cell) / "work").exists()


def scored(store: Store, cell: Cell, dice: float) -> None:
    """Finish a cell that was never trained, every frame and the validation scoring the same."""
    setting = {**dict(cell.setting), "depth": cell.depth, "prompts": cell.prompts}
    frames = made_up({cell.method: dice}, setting=json.dumps(setting))
    frames = frames[frames["seed"] == 0].assign(seed=cell.seed, holdout=cell.holdout)
    store.finish(CellRecord(cell, dice, 0, 1.0, 1.0, "cpu"), frames)


def test_a_query_over_the_results_counts_no_loser_of_a_search(tmp_path, tiny_weights):
    settings = tiny(tmp_path, tiny_weights, methods=("mcdrl",), trials=2, seeds=2)
    store, (losing, winning) = Store.prepare(settings), plan.trial_cells(settings, SITES[:1])
    for cell, dice in zip(plan.repeated([winning], settings), (0.6, 0.4), strict=True):
        scored(store, cell, dice)
    others = (losing, replace(winning, depth=1), replace(winning, prompts=3))
    for cell, dice in zip(others, (0.3, 0.9, 0.9), strict=True):
        scored(store, cell, dice)
    collect(store, settings.seed)
    found = summarise(read_results(settings.out / "results.parquet"), ["method"])
    assert found["mean"].tolist() == [pytest.approx(0.5)]
    tried = read_results(settings.out / "tried.parquet")
    assert sorted(tried["dice"].unique()) == [0.3, 0.9]


def test_what_a_figure_alone_has_trained_is_not_compared(tmp_path, tiny_weights):
    settings = tiny(tmp_path, tiny_weights, methods=("baseline", "dann"), trials=1, seeds=2)
    store = Store.prepare(settings)
    compared = plan.repeated(plan.trial_cells(settings, SITES), settings)
    for_a_figure = Cell("mcdrl", settings.vlm, SITES[0], setting=(("lambda_causal", 0.5),))
    for cell in (*compared, for_a_figure):
        scored(store, cell, 0.5)
    collect(store, settings.seed)
    found = summarise(read_results(settings.out / "results.parquet"), ["method"])
    assert found["method"].tolist() == ["baseline", "dann"]
    assert read_results(settings.out / "tried.parquet")["method"].unique().tolist() == ["mcdrl"]
    assert plan.compared_cells([for_a_figure], store, settings.seed) == [for_a_figure]


def test_a_figure_is_kept_whatever_its_site_is_called(tmp_path, tiny_weights):
    store, cell = finished(tiny(tmp_path, tiny_weights), "Rome/Milan: 1st")
    figure, _ = canvas.grid(1, 1, 1.0)
    path = canvas.save(figure, store, f"tsne-{cell.holdout}")
    assert path == store.folder / "figures" / "tsne-Rome-Milan-1st.png"
    assert path.exists()


def test_seconds_count_what_was_trained_before_a_kill(tmp_path, tiny_weights, monkeypatch):
    settings = tiny(tmp_path, tiny_weights)
    cell = Cell("baseline", str(tiny_weights), SITES[0])
    with pytest.raises(Killed):
        run_cell(cell, settings, KilledAfterAnEpoch())
    monkeypatch.setattr(EpochRecord, "from_json", later(EpochRecord.from_json, seconds=1000.0))
    assert run_cell(cell, settings).seconds > 1000


def later(read: Callable[..., EpochRecord], **changes: float) -> Callable[..., EpochRecord]:
    return lambda line: replace(read(line), **changes)


def begun(store: Store) -> None:
    """Leave what a training leaves that was stopped at once."""
    store.path(Cell("baseline", "mini", "A")).mkdir(parents=True)


def test_a_longer_search_goes_on_in_the_same_folder(tmp_path, tiny_weights):
    settings = tiny(tmp_path, tiny_weights).model_copy(update={"trials": 1})
    Store.prepare(settings)
    longer = settings.model_copy(update={"trials": 3, "seeds": 4})
    assert Store.prepare(longer).folder == settings.out
    assert "3 settings were tried" in notes.search(longer)
    assert "nothing was searched" in notes.search(settings)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_damaged_study_is_named(text, tmp_path, tiny_weights):
    settings = tiny(tmp_path, tiny_weights)
    begun(Store(settings.out))
    (settings.out / "study.json").write_text(text)
    with pytest.raises(RunFolderError, match="restore the file, or choose another --out"):
        Store.prepare(settings)


def test_other_images_than_the_finished_models_saw_are_refused(tmp_path):
    data = manifest(tmp_path)
    settings = StudySettings(data=data, out=tmp_path / "study")
    store, lines = commands.Study(settings).store, data.read_text().splitlines()
    data.write_text("\n".join(lines[:-1]))
    commands.Study(settings)  # nothing was trained yet
    begun(store)
    commands.Study(settings)
    for now, told in (
        (lines, "site2 (3 images then, 4 "),
        (lines[:9], "site2 (3 images then, no "),
    ):
        data.write_text("\n".join(now))
        with pytest.raises(RunFolderError, match="expected the images and masks that") as caught:
            commands.Study(settings)
        assert told in str(caught.value)


def test_other_masks_of_the_same_images_are_refused(tmp_path):
    data = manifest(tmp_path)
    settings = StudySettings(data=data, out=tmp_path / "study")
    begun(commands.Study(settings).store)
    for mask in tmp_path.glob("1-*_mask.png"):
        shutil.copy(mask, mask.with_name(mask.name.replace("_mask", "_redrawn")))
    data.write_text(re.sub(r"(1-\d)_mask", r"\1_redrawn", data.read_text()))
    with pytest.raises(RunFolderError, match=r"site1 \(4 images then, 4 images now\)"):
        commands.Study(settings)


def test_other_weights_at_the_same_path_are_refused(tmp_path, tiny_weights):
    vlm = Path(shutil.copytree(tiny_weights, tmp_path / "vlm"))
    settings = tiny(tmp_path, vlm)
    begun(commands.Study(settings).store)
    file = vlm / "open_clip_model.safetensors"
    both = settings.model_copy(update={"backbones": (str(vlm), "mini", str(file))})
    commands.Study(both)  # a further backbone is no change
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(RunFolderError, match=f"expected the weights of {vlm} that .* found others"):
        commands.Study(settings)
    (settings.out / "weights.json").unlink()
    with pytest.raises(RunFolderError, match=r"weights\.json: expected a digest of the weights"):
        commands.Study(settings)


def test_what_cannot_be_trained_is_said_before_there_is_a_study(tmp_path):
    data, out = manifest(tmp_path), tmp_path / "study"
    with pytest.raises(UnknownNameError, match="unknown vision-language model 'ViT-B-61'"):
        commands.Study(StudySettings(data=data, out=out, backbones=("mini", "ViT-B-61/openai")))
    with pytest.raises(UnknownNameError, match="unknown site in --bgr 'site9'"):
        commands.Study(StudySettings(data=data, out=out, bgr=("site9",)))
    (tmp_path / "0-0.png").rename(tmp_path / "lost.png")
    with pytest.raises(DataError, match=r"0-0\.png is missing"):
        commands.Study(StudySettings(data=data, out=out))
    assert not out.exists()


def test_a_study_without_a_model_takes_other_settings(tmp_path):
    settings = StudySettings(out=tmp_path / "study")
    commands.Study(settings)
    store = commands.Study(settings.model_copy(update={"epochs": 3})).store
    begun(store)
    with pytest.raises(RunFolderError, match=r"other values of epochs \(3 then"):
        commands.Study(settings)


def test_damaged_sites_of_a_study_are_named(tmp_path):
    settings = StudySettings(data=manifest(tmp_path), out=tmp_path / "study")
    store = commands.Study(settings).store
    begun(store)
    (store.folder / "sites.json").write_text("[]")
    with pytest.raises(RunFolderError, match="expected which images each site held"):
        commands.Study(settings)


@pytest.mark.parametrize("name", ["study.json", "sites.json", "pack.json", "weights.json"])
def test_a_study_with_models_whose_file_is_lost_takes_nothing_else_for_it(name, tmp_path):
    settings = StudySettings(data=manifest(tmp_path), out=tmp_path / "study")
    store = commands.Study(settings).store
    (store.folder / name).unlink()
    commands.Study(settings)  # nothing was trained yet
    begun(store)
    (store.folder / name).unlink()
    with pytest.raises(RunFolderError, match=rf"{name}: expected .*restore the file, or choose"):
        commands.Study(settings)
    assert not (store.folder / name).exists()


def test_lost_frames_of_a_finished_cell_are_named(tmp_path, tiny_weights):
    store = Store.prepare(tiny(tmp_path, tiny_weights))
    cell = Cell("baseline", "mini", "A")
    store.path(cell).mkdir(parents=True)
    store.finish(CellRecord(cell, 0.5, 0, 1.0, 1.0, "cpu"), made_up({"baseline": 0.5}))
    (store.path(cell) / "images.parquet").unlink()
    for ask in (lambda: store.images([cell]), lambda: collect(store, 0)):
        with pytest.raises(RunFolderError, match="delete the folder, and the cell is trained"):
            ask()


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
        (["table", "main", "--devices", "2"], "--executor and --jobs-at-once"),
    ],
)
def test_a_wrong_word_is_answered_with_the_near_one(words, found, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert found in capsys.readouterr().err
    assert not any(tmp_path.rglob("cells"))


def test_slurm_holds_its_own_jobs_back_and_this_machine_does_not():
    here = StudySettings(executor="local", jobs_at_once=3)
    assert [executors._room(9, running, here) for running in (0, 2, 3)] == [3, 1, 0]
    assert executors._room(9, 0, here.model_copy(update={"executor": "slurm"})) == 9


def test_refused_jobs_are_one_sentence(tmp_path):
    utils = pytest.importorskip("submitit.core.utils")

    class Refusing:
        def batch(self):
            return nullcontext()

        def submit(self, *job):
            raise utils.FailedJobError("invalid partition\nspecified")

    settings = StudySettings(executor="slurm", out=tmp_path)
    with pytest.raises(ConfigurationError, match=r"refused \(invalid partition specified\); see"):
        executors._submitted(Refusing(), [Cell("baseline", "mini", "A")], settings)


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


@pytest.mark.skipif(sys.platform != "linux", reason="finds the job's process in /proc")
def test_a_job_that_is_interrupted_is_queued_again_and_goes_on(tmp_path, tiny_weights):
    pytest.importorskip("submitit")
    settings = tiny(tmp_path, tiny_weights, epochs=12, executor="local")
    store, cell = Store.prepare(settings), Cell("baseline", str(tiny_weights), SITES[0])
    (job,) = executors._submitted(executors._executor(settings), [cell], settings)
    metrics = store.path(cell) / "work" / "metrics.jsonl"
    until(lambda: metrics.exists())
    children = Path(f"/proc/{job.job_id}/task/{job.job_id}/children")
    os.kill(int(children.read_text()), signal.SIGUSR2)  # SLURM's word that the time is nearly up
    until(lambda: job.done())
    assert store.is_finished(cell)
    log = job.paths.stderr.read_text() + job.paths.stdout.read_text()
    assert "Requeued job" in log
    assert log.count("Starting with JobEnvironment") == 2


def until(true: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for something that happens in another process."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.05)


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
    assert [cell.prompts for cell in cells] == [3, 6, 9, None, 15]
    assert len({replace(cell, prompts=None) for cell in cells}) == 1
    assert [cell.depth for cell in plan.depth_cells(settings, ["A"])] == [1, 2, None, 4, 5]


def test_what_an_ablation_leaves_as_it_is_is_not_trained_again():
    settings = StudySettings(methods=("mcdrl",), seeds=1, depth=2)
    (own,) = {*plan.module_cells(settings, ["A"])} & {*plan.trial_cells(settings, ["A"])}
    assert own.method == "mcdrl"
    assert own in plan.dictionary_cells(settings, ["A"])
    assert own in plan.depth_cells(settings, ["A"])
    assert plan.depth_cells(settings, ["A"])[1] == own
    assert [cell.method for cell in plan.module_cells(settings, ["A"])] == list(plan.MODULES)


def test_figures_are_drawn_from_the_kept_models(study, tiny_weights):
    words = flags(tiny_weights, study, "--methods", "baseline", "mcdrl", "--holdouts", *SITES)
    for question in ("tsne", "qualitative"):
        assert main(["figure", question, *words]) == 0
        (drawn,) = (study / "figures").glob(f"{question}*.png")
        assert drawn.stat().st_size > 10_000


def test_pictures_can_be_left_out(tiny_weights, tmp_path, capsys):
    words = flags(tiny_weights, tmp_path / "study", "--methods", "baseline", "--no-pictures")
    assert main(["figure", "qualitative", *words]) == 2
    assert "--no-pictures" in capsys.readouterr().err
    assert not (tmp_path / "study" / "cells").exists()  # it is said before anything is trained


def test_a_figure_trains_no_more_than_it_shows():
    settings = StudySettings(methods=("baseline", "dann", "adjusted"), backbones=("mini", "x"))
    small = figures.shown(settings, SITES, needs_pictures=True)
    assert (small.methods, small.holdouts, small.seeds) == (("baseline", "adjusted"), SITES[:1], 1)
    assert small.all_backbones == ("mini",)
    with pytest.raises(ConfigurationError, match="expected one of baseline, mcdrl, adjusted"):
        figures.shown(StudySettings(methods=("dann",)), SITES, needs_pictures=False)


def test_a_figure_of_too_few_lesions_is_refused_before_anything_is_trained(
    tiny_weights, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(points, "FEWEST", 1000)
    words = flags(tiny_weights, tmp_path / "study", "--holdouts", SITES[0])
    assert main(["figure", "tsne", *words]) == 2
    assert "expected at least 1000 frames with a lesion" in capsys.readouterr().err
    assert not (tmp_path / "study" / "cells").exists()


class Selecting:
    """A model of 2 × 2 locations, whose selector keeps those that the picture says.

    Features are 1 before its intervention, and what ``after`` is after it.
    """

    def __init__(self, after: float) -> None:
        self.after, self.pack = after, SimpleNamespace(class_names=("polyp",))

    def normalize(self, images: torch.Tensor) -> torch.Tensor:
        return images

    def trace(self, images: torch.Tensor) -> SimpleNamespace:
        index = images.flatten(1).nonzero()[None, :, 1]
        features = torch.ones(1, index.shape[1], 3)
        return SimpleNamespace(
            scores=torch.zeros(1, 2, 2),
            regions=Regions(features, index),
            intervened=Intervened(self.after * features, torch.ones(1, index.shape[1], 1)),
        )


def with_lesion(selected: list[int], site: int = 0) -> dict:
    """A frame whose lesion is its upper half."""
    kept = torch.zeros(4).index_fill(0, torch.tensor(selected), 1.0)
    mask = torch.tensor([[1, 1], [0, 0]])
    return {"image": kept.view(1, 2, 2), "mask": mask, "class_index": 0, "site_index": site}


def points_of(after: float) -> points.Points:
    """Frames with all, half and nothing of their lesion among the regions."""
    frames = [with_lesion(selected) for selected in ([0, 1, 2], [1, 2], [2, 3])]
    cohort = SimpleNamespace(validation=frames, target=4 * [with_lesion([0], 1)], sites="AB",
                             holdout="B")  # fmt: skip
    return points.points_of(Selecting(after), cohort, range(7))


def test_a_point_is_the_mean_of_the_regions_over_the_lesion_however_many_there_are(monkeypatch):
    monkeypatch.setattr(points, "FEWEST", 6)
    found = points_of(after=2.0)
    assert {when: set(x.flatten()) for when, x in found.features.items()} == {
        "before": {1.0},
        "after": {2.0},
    }
    assert found.labels == {"lesion": 6 * ["polyp"], "site": [*"AABBBB"]}
    caption = tsne._caption(["MCDRL"], [found], 7)
    assert "Of 7 frames with a lesion, those without such a region are left out: 1 (MC" in caption
    assert points.UNCHANGED not in caption.lower()


def test_what_an_intervention_leaves_alone_stands_still_in_the_figure():
    own = np.random.default_rng(0).normal(size=(40, 3))
    own_points = points.Points({"before": own, "after": own + 1e-6}, {}, np.zeros(40, bool))
    before, after = tsne._embedded(own_points)
    assert np.abs(before - after).max() < 0.1
    assert np.array_equal(np.concatenate([before, after]).max(0), [1, 1])


def test_without_an_intervention_there_is_no_after(monkeypatch):
    monkeypatch.setattr(points, "FEWEST", 6)
    found = points_of(after=1.0)
    assert list(found.features) == [points.UNCHANGED]
    assert "No intervention: after is before." in tsne._caption(["Baseline"], [found], 6)


def test_too_few_selected_lesions_are_refused(monkeypatch):
    monkeypatch.setattr(points, "FEWEST", 7)
    with pytest.raises(DataError, match=r"selected over their lesion, found 6 of 7; select more"):
        points_of(after=2.0)


def test_frames_of_a_figure_are_spread_from_worst_to_best():
    dice = np.array([0.9, 0.1, 0.5, 0.3, 0.7])
    assert worst_to_best(dice, qualitative.FRAMES).tolist() == [1, 3, 2, 4, 0]
    spread = worst_to_best(np.linspace(1, 0, 101), qualitative.FRAMES)
    assert (spread[0], spread[-1], len(spread)) == (100, 0, qualitative.FRAMES)


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


def test_ablations_of_ours_are_no_rivals():
    frame = made_up({"baseline": 0.5, "dann": 0.4, "mcdrl_without_mtrs": 0.9})
    assert tables.best_rival(frame, ("baseline", "dann", "mcdrl_without_mtrs")) == "dann"


def test_every_table_has_a_row_for_each_backbone():
    methods = tuple(plan.MODULES)
    settings = StudySettings(methods=methods, seeds=2, backbones=("mini", "ViT-L-14/openai"))
    frame = made_up(dict.fromkeys(methods, 0.5), settings.backbones)
    for of in (tables.main_table, tables.lesion_table, ablations.module_table):
        labels = [row[0] for row in of(frame, settings).rows]
        assert labels == [f"{b}, {t}" for b in ("mini", "ViT-L-14") for t in
                          ("Baseline", "w/o MTRS", "w/o CDRL", "MCDRL")]  # fmt: skip
    varied = made_up({"mcdrl": 0.5}, settings.backbones, '{"depth": 3, "prompts": 12}')
    records = [
        CellRecord(Cell("mcdrl", b, "A", depth=3), 0.5, parameters, 1.0, 1.0, "cpu")
        for b, parameters in zip(settings.backbones, (10**6, 3 * 10**6), strict=True)
    ]
    depth = ablations.depth_table(varied, records, settings)
    assert [row[::2][:2] for row in depth.rows] == [("mini, 3", "1.00"), ("ViT-L-14, 3", "3.00")]
    assert len(ablations.dictionary_table(varied, settings).rows) == 2


def test_a_table_of_lesions_needs_lesions_that_are_known():
    frame = made_up({"baseline": 0.5}).assign(lesion="")
    with pytest.raises(DataError, match="expected frames whose lesion has a class"):
        tables.lesion_table(frame, StudySettings(methods=("baseline",), seeds=2))


def test_the_dictionary_is_cut_only_where_its_prompts_have_a_rank():
    with pytest.raises(ConfigurationError, match=r"found --pack mine\.yaml"):
        plan.dictionary_cells(StudySettings(pack="mine.yaml"), SITES)


def test_a_dictionary_of_the_classes_has_no_size_to_vary():
    with pytest.raises(ConfigurationError, match=r"found --dictionary class_means, which"):
        plan.dictionary_cells(StudySettings(dictionary="class_means"), SITES)
    assert plan.dictionary_cells(StudySettings(dictionary="kmeans"), SITES)


@pytest.mark.parametrize("ablated", ["baseline", "dann", "mcdrl_without_cdrl"])
@pytest.mark.parametrize(
    ("question", "ask"), [("dictionary", plan.dictionary_cells), ("depth", plan.depth_cells)]
)
def test_what_has_no_intervention_is_not_taken_apart(question, ask, ablated):
    told = rf"ablate {question}: expected a method with an intervention \(mcdrl, .*found --ablated "
    with pytest.raises(ConfigurationError, match=told + ablated):
        ask(StudySettings(ablated=ablated), SITES)


def test_layers_are_counted_of_a_method_that_has_them():
    film = StudySettings(intervention="film", seeds=1)
    with pytest.raises(ConfigurationError, match=r"found --intervention film; leave it out"):
        plan.depth_cells(film, SITES)
    literal = film.model_copy(update={"ablated": "mcdrl_literal"})  # whose layer is its own
    assert len(plan.depth_cells(literal, SITES[:1])) == len(plan.DEPTHS)


def test_a_line_of_an_oracle_says_so():
    record = CellRecord(Cell("baseline", "mini", "A"), 0.5, 0, 1.0, 1.0, "cpu", oracle=True)
    assert "on the held-out site itself (oracle)" in executors._line(record)
    assert "in validation" in executors._line(replace(record, oracle=False))


def test_errors_are_of_the_library(tmp_path):
    with pytest.raises(DeconfoundError):
        collect(Store(tmp_path), 0)


def test_a_rival_starts_at_once_in_every_command():
    config = RecipeConfig()
    assert loop_of("stylip", config).intervention_start == 0
    assert loop_of("mcdrl", config).intervention_start == config.intervention_start > 0
