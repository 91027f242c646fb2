"""Scoring against an independent library, the page, and the command from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from segmentation_models_pytorch.metrics import f1_score, get_stats

from deconfound.benchmark.cells import PLAIN, Cell, Outcome
from deconfound.benchmark.report import write_report
from deconfound.benchmark.scoring import by_cell, lesion_dice
from deconfound.benchmark.settings import BenchmarkSettings
from deconfound.cli import main
from deconfound.simulation import WORLDS

TINY = [
    *("benchmark", "causal", "--worlds", "mixed", "--methods", "statistics", "kmeans+film"),
    *("--images", "60", "--test-images", "20", "--image-size", "64", "--epochs", "1"),
    *("--seeds", "1", "--strengths", "0.95", "--sizes", "12", "--qualities", "true"),
]


@given(st.integers(0, 10_000))
def test_dice_is_that_of_segmentation_models_pytorch(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    predicted, mask = (torch.randint(0, 4, (3, 8, 8), generator=g) for _ in range(2))
    tp, fp, fn, tn = get_stats(predicted, mask, mode="multiclass", num_classes=4)
    lesions = [count[:, 1:].sum(dim=1, keepdim=True) for count in (tp, fp, fn, tn)]
    expected = [f1_score(*(c[i : i + 1] for c in lesions), reduction="micro") for i in range(3)]
    torch.testing.assert_close(lesion_dice(predicted, mask), torch.stack(expected))


def test_a_lesion_that_is_misnamed_is_not_found() -> None:
    mask = torch.zeros(3, 8, 8).long()
    mask[:2, 2:6, 2:6] = 2
    predicted = mask.clone()
    predicted[1][mask[1] > 0] = 3
    assert lesion_dice(predicted, mask).tolist() == [1.0, 0.0, 1.0]


def test_cells_are_means_over_their_pictures() -> None:
    sample = WORLDS["mixed"].sample(60, size=16)
    table = by_cell(torch.arange(60.0), sample)
    assert sum(count for row in table.values() for _, count in row.values()) == 60
    total = sum(dice * count for row in table.values() for dice, count in row.values())
    assert total == pytest.approx(sum(range(60)))


def test_the_page_says_what_there_is(tmp_path) -> None:
    outcomes = [
        Outcome(cell, 0.9, dice, 0.3, dice, {"polyp": {"nbi": (dice, 9), "dark": (dice, 9)}}, 60.0)
        for cell, dice in [
            (Cell("mixed", PLAIN), 0.6),
            (Cell("mixed", PLAIN, 0.0), 0.8),
            (Cell("mixed", PLAIN, 0.5), 0.7),
            (Cell("mixed", "default"), 0.75),
        ]
    ]
    page = write_report(tmp_path / "r.html", outcomes, BenchmarkSettings(), "the <command>")
    text = page.read_text()
    assert "75 %" in text
    assert "the &lt;command&gt;" in text
    assert text.count("<svg") == 4  # shares, strengths, two heat maps
    assert "Renderable" not in text  # nothing is finished there
    empty = write_report(tmp_path / "e.html", [], BenchmarkSettings(), "again").read_text()
    assert "No method is finished yet" in empty


def test_the_command_trains_reports_and_goes_on(tmp_path: Path, capsys) -> None:
    out = ["--out", str(tmp_path / "run")]
    assert main([*TINY, *out, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {share["cell"]["method"] for share in told["mixed"]} == {"statistics", "film+kmeans"}
    lines = (tmp_path / "run" / "cells.jsonl").read_text()
    assert lines.count("\n") == 4
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"README.txt", "report.html", "summary.json", "settings.json"} <= names
    again = ["film+kmeans" if word == "kmeans+film" else word for word in TINY]
    assert main([*again, *out, "--jobs", "2"]) == 0  # nothing is trained again
    assert (tmp_path / "run" / "cells.jsonl").read_text() == lines
    shown = capsys.readouterr()
    assert "4 of them finished" in shown.err
    assert "mixed: share of the confounding gap closed" in shown.out
    assert "which counts" in " ".join(shown.out.split())
    assert "…" not in shown.out
    assert main([*TINY, *out, "--lr", "0.1"]) == 2
    assert "other values of lr (0.002 then, 0.1 now)" in capsys.readouterr().err
    (tmp_path / "run" / "settings.json").unlink()
    assert main([*TINY, *out, "--lr", "0.1"]) == 2
    assert "settings.json: expected the settings of a benchmark" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--methods", "defalt"], "did you mean default"),
        (["--worlds", "mixd"], "did you mean mixed"),
        (["--qualities", "wrongly"], "did you mean wrong"),
        (["--sizes", "99"], "expected 1 to 15 prompts, found 99"),
        (["--methods", "render", "--sizes", "3"], "--sizes 3: expected one of mcdrl and default"),
    ],
)
def test_a_wrong_flag_is_one_sentence(flags: list[str], said: str, tmp_path, capsys) -> None:
    assert main(["benchmark", "causal", "--out", str(tmp_path / "run"), *flags]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
