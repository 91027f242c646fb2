"""What a study's tables hold: every metric, the paper's figures, where methods are from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deconfound.rivals import rivals
from deconfound.study.statistics import POOLED
from deconfound.training.table import EMPTY_MASKS
from recipes.endoscopy_mcdrl.methods import method_names, source_of
from recipes.endoscopy_mcdrl.study import ablations, notes, paper, plan, tables
from recipes.endoscopy_mcdrl.study.cells import Cell, CellRecord
from recipes.endoscopy_mcdrl.study.metrics import BY_FRAME, NAMES
from recipes.endoscopy_mcdrl.study.printed import Table
from recipes.endoscopy_mcdrl.study.settings import MAY_DIFFER, METHODS, StudySettings
from recipes.endoscopy_mcdrl.study.store import Store
from tests.recipes.frames import made_up

LARGEST = "ViT-L-14/openai"
SETTINGS = StudySettings(methods=("baseline", "stylip", "mcdrl"), seeds=2, vlm=LARGEST)
FRAME = made_up(dict.fromkeys(SETTINGS.methods, 0.5), [LARGEST])
MODULES = made_up(dict.fromkeys(plan.MODULES, 0.5), [LARGEST])
VARIED = made_up({"mcdrl": 0.5}, [LARGEST], '{"depth": 3, "prompts": 12}')
RECORDS = [CellRecord(Cell("mcdrl", LARGEST, "A", depth=3), 0.5, 0, 1.0, 1.0, "cpu")]


def with_metric(metric: str, **changes: object) -> StudySettings:
    return SETTINGS.model_copy(update={"metric": metric, **changes})


def every_table(settings: StudySettings = SETTINGS) -> list[Table]:
    compared = (
        tables.main_table,
        tables.metric_table,
        tables.pooled_table,
        tables.difference_table,
        tables.lesion_table,
    )
    return [
        *(of(FRAME, settings) for of in compared),
        ablations.module_table(MODULES, settings),
        ablations.dictionary_table(VARIED, settings),
        ablations.depth_table(VARIED, RECORDS, settings),
    ]


def column(table: Table, head: str) -> list[str]:
    return [row[table.columns.index(head)] for row in table.rows]


# The empty-mask policy


def test_every_table_says_what_an_empty_mask_scores(tmp_path):
    for table in every_table():
        assert EMPTY_MASKS in table.as_markdown(), table.name
    Store.prepare(StudySettings(out=tmp_path / "study"))
    readme = (tmp_path / "study" / "README.txt").read_text()
    assert EMPTY_MASKS in " ".join(readme.split())
    assert max(map(len, readme.splitlines())) <= 100


# Every metric


@pytest.mark.parametrize("metric", NAMES)
def test_a_table_of_any_metric_is_a_query_over_the_same_frames(metric):
    values = {name: 0.1 * place for place, name in enumerate(BY_FRAME, start=1)}
    frame = FRAME.assign(**values, tp=1, fp=1, fn=1, tn=1)
    told = {**{m: 100 * v for m, v in values.items()}, "hd95": 0.5}
    told |= {"pooled_dice": 50.0, "pooled_iou": 100 / 3, "pooled_acc": 30.0}
    for of, head in ((tables.main_table, "A"), (tables.lesion_table, "polyp")):
        table = of(frame, with_metric(metric))
        assert table.title.startswith(NAMES[metric])
        found = [float(text.partition("±")[0]) for text in column(table, head)]
        assert found == pytest.approx([told[metric]] * 3, abs=0.051)


def test_metrics_of_one_command_do_not_overwrite_each_other(tmp_path):
    for metric in NAMES:
        for of in (tables.main_table, tables.lesion_table):
            of(FRAME, with_metric(metric)).write(tmp_path)
    assert len(list(tmp_path.glob("*.csv"))) == 2 * len(NAMES)
    assert (tmp_path / "main.csv").exists()
    assert "metric" in MAY_DIFFER  # another metric is asked of the same folder


@pytest.mark.parametrize("metric", ["dice", "iou", "acc"])
def test_pooled_scores_stand_beside_the_mean(metric):
    frame = FRAME.assign(tp=3, fp=1, fn=1, tn=1)
    pooled = {"dice": "75.0", "iou": "60.0", "acc": "100.0"}[metric]
    for of in (tables.main_table, tables.lesion_table):
        assert set(column(of(frame, with_metric(metric)), "pooled")) == {pooled}
        assert "pooled" not in of(frame, with_metric("hd95")).columns
    assert tables.pooled_table(frame, SETTINGS).columns[1:] == tuple(NAMES[m] for m in POOLED)


def test_the_deviation_of_a_pooled_score_is_over_seeds():
    frame = FRAME.assign(tp=np.where(FRAME["seed"] == 0, 1, 3), fp=1, fn=1)
    assert set(column(tables.main_table(frame, with_metric("pooled_dice")), "A")) == {"62.5±17.7"}


# The paper's figures


def test_the_papers_figure_stands_beside_ours_where_both_mean_the_same():
    main = tables.main_table(FRAME, SETTINGS)
    assert column(main, "paper") == ["75.1", "78.3", "81.6"]
    assert column(tables.main_table(FRAME, with_metric("acc")), "paper") == ["90.9", "92.5", "94.3"]
    metrics = tables.metric_table(FRAME, SETTINGS)
    assert column(metrics, "IoU") == ["50.0±0.0 (68.3)", "50.0±0.0 (71.2)", "50.0±0.0 (74.3)"]
    assert "(" not in "".join(column(metrics, "NSD"))
    small = made_up({"mcdrl": 0.5}, ["RN50/openai"])
    settings = StudySettings(methods=("mcdrl",), seeds=2, vlm="RN50/openai")
    assert column(tables.main_table(small, settings), "paper") == ["78.6"]


def test_lesions_have_the_papers_figures_and_their_mean():
    table = tables.lesion_table(FRAME, SETTINGS)
    assert column(table, "polyp") == ["50.0±0.0 (78.2)", "50.0±0.0", "50.0±0.0 (83.9)"]
    assert column(table, "mean of lesions") == ["50.0 (75.6)", "50.0", "50.0 (82.4)"]
    assert "(" not in "".join(column(tables.lesion_table(FRAME, with_metric("iou")), "polyp"))


def test_modules_have_the_papers_figures_of_the_same_site():
    table = ablations.module_table(MODULES.assign(holdout="CVC-ClinicDB"), SETTINGS)
    told = ["63.15", "80.50", "77.40", "88.73"]
    assert column(table, "CVC-ClinicDB") == [f"50.0±0.0 ({figure})" for figure in told]
    assert column(table, "paper's Dice") == ["69.37", "80.47", "78.71", "88.46"]


def test_another_backbone_has_no_figure_of_the_papers_but_its_note():
    frame, settings = made_up({"mcdrl": 0.5}), StudySettings(methods=("mcdrl",), seeds=2)
    main = tables.main_table(frame, settings)
    assert "paper" not in main.columns
    assert any("ViT-L/14 MCDRL 81.6 / 74.3 / 94.3" in note for note in main.notes)
    lesions = tables.lesion_table(frame, settings)
    assert "(" not in "".join(lesions.rows[0])
    assert any("nodule 84.9" in note for note in lesions.notes)


def test_another_pack_is_not_told_of_endoscopy():
    for table in every_table(with_metric("dice", pack="fundus.yaml")):
        text = table.as_markdown().partition("**")[0]
        for mark in ("paper", "2508.05008", "(7", "(8", "its M"):
            assert mark not in text, (table.name, mark)


def test_every_published_figure_is_on_the_parity_page():
    page = (Path(__file__).parents[2] / "docs" / "parity.md").read_text()
    results = page[page.index("## Results") :]
    figures = [
        *(value for told in paper.MAIN.values() for value in told.values()),
        *(value for told in paper.LESIONS.values() for value in told.values()),
        *(value for told in paper.MODULES.values() for value in told.values()),
        *(value for told in paper.DEPTH.values() for value in told if value is not None),
        *paper.DICTIONARY.values(),
        *(paper.OVER_BASELINE, paper.OVER_BEST_RIVAL),
    ]
    assert not [figure for figure in figures if figure not in results]


# Where methods are from


def test_every_method_says_its_source_and_what_was_adapted():
    for method in method_names():
        assert all(source_of(method)), method
    table = tables.main_table(FRAME, SETTINGS)
    assert rivals["stylip"].source in table.as_markdown()
    assert rivals["stylip"].adapted in table.as_markdown()
    assert not any(rivals["stylip"].adapted in note for note in table.notes)  # too long to print
    assert len(notes.sources(METHODS)) == len(METHODS)


def test_a_name_is_a_name_of_the_frames():
    assert set(BY_FRAME) | set(POOLED) == set(NAMES)
    assert set(BY_FRAME) <= set(pd.DataFrame(FRAME).columns)
