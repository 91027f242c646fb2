from __future__ import annotations

import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from deconfound.training.metrics import MethodResult, Scores, ScoresRow
from deconfound.training.table import (
    EMPTY_MASKS,
    best_methods,
    difference,
    results_json,
    results_table,
)


def row(kind: str, name: str, dice: float, images: int = 4) -> ScoresRow:
    scores = Scores(dice, 0.8 * dice, 0.9)
    return ScoresRow(kind, name, images, scores, scores)


def result(method: str, overall: float, **classes: float) -> MethodResult:
    rows = [row("class", name, dice) for name, dice in classes.items()]
    rows = [row("overall", "overall", overall, 8), *rows, row("site", "E", overall, 8)]
    return MethodResult(method, tuple(rows), np.arange(2), np.array([0.1, 0.2]))


PAIR = [result("baseline", 0.751, polyp=0.782, cyst=0.7), result("mcdrl", 0.816, polyp=0.77)]


def shown(table: Table) -> str:
    out = io.StringIO()
    Console(file=out, width=120, force_terminal=True, color_system="standard").print(table)
    return out.getvalue()


def test_methods_stand_side_by_side_with_the_best_in_bold() -> None:
    text = shown(results_table(PAIR, title="Site E"))
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert re.search(r"\x1b\[1m *81\.6\x1b\[0m", lines["overall"])
    assert "75.1" in lines["overall"]
    assert not re.search(r"\x1b\[1m *75\.1", lines["overall"])
    assert "+6.5" in lines["overall"]
    assert re.search(r"\x1b\[1m *78\.2\x1b\[0m", lines["polyp"])
    assert "−1.2" in lines["polyp"]
    assert lines["cyst"].count("–") == 4  # three scores and the difference


@pytest.mark.parametrize("width", [80, 72])  # what is left over goes to a site with a longer name
def test_it_fits_a_terminal_of_80_columns_unabbreviated(width: int) -> None:
    one, none = Scores(1.0, 1.0, 1.0), Scores(0.0, 0.0, 0.0)
    keys = (("overall", "overall"), ("class", "inflammation"))
    pair = [
        MethodResult(
            method,
            tuple(ScoresRow(*key, 123456, scores, scores) for key in keys),
            np.arange(2),
            np.ones(2),
        )
        for method, scores in (("Baseline", one), ("MCDRL", none))
    ]
    out = io.StringIO()
    table = results_table(pair)
    table.caption = None
    Console(file=out, width=width).print(table)
    above, below, _, inflammation, *_, overall = (
        t for t in out.getvalue().splitlines() if t.strip()
    )
    assert above.split() == ["Baseline", "MCDRL"]
    assert below.split() == ["images", *["Dice", "IoU", "Acc"] * 2, "Δ", "Dice"]
    for method in ("Baseline", "MCDRL"):
        assert below[: above.index(method) + len(method)].endswith("Dice")
    scores = ["123456", *["100.0"] * 3, *["0.0"] * 3, "−100.0"]
    assert inflammation.split() == ["inflammation", *scores]
    assert overall.split() == ["overall", *scores]


def test_more_than_two_methods_fit_80_columns_by_their_dice() -> None:
    names = ("Baseline", "MCDRL", "MCDRL + do(z)", "BiomedCoOp")
    out = io.StringIO()
    several = [result(name, 0.751, **{"basal cell carcinoma": 0.782}) for name in names]
    Console(file=out, width=80).print(results_table(several))
    above, below, _, carcinoma, *_ = (t for t in out.getvalue().splitlines() if t.strip())
    assert all(name in above for name in names)
    assert below.split() == ["images", *["Dice"] * 4]
    assert carcinoma.split() == ["basal", "cell", "carcinoma", "4", *["78.2"] * 4]


def test_the_table_says_what_an_empty_mask_scores() -> None:
    text = re.sub(r"\x1b\[[\d;]*m", "", shown(results_table(PAIR)))
    assert EMPTY_MASKS in " ".join(text.split())
    assert results_json(PAIR)["empty_masks"].startswith("An image with neither")


def test_a_lone_site_is_not_told_twice() -> None:
    assert "\n E " not in shown(results_table(PAIR))
    rows = (*PAIR[0].rows, row("site", "F", 0.5))
    assert "\n F " in shown(results_table([MethodResult("baseline", rows)]))


def test_nobody_leads_a_tie_as_printed() -> None:
    tie = [result("a", 0.50001), result("b", 0.50004), result("c", 0.2)]
    assert best_methods(tie, ("overall", "overall"), "dice") == {"a", "b"}
    assert best_methods(tie[:2], ("overall", "overall"), "dice") == frozenset()
    assert best_methods(PAIR, ("class", "cyst"), "dice") == frozenset()


def test_differences_have_a_sign() -> None:
    assert difference(row("class", "a", 0.5), row("class", "a", 0.512)) == "+1.2"
    assert difference(row("class", "a", 0.5), row("class", "a", 0.488)) == "−1.2"
    assert difference(row("class", "a", 0.5), row("class", "a", 0.4999)) == "0.0"
    assert difference(None, row("class", "a", 0.5)) == "–"


def test_json_holds_what_the_table_shows() -> None:
    told = json.loads(json.dumps(results_json(PAIR), allow_nan=False))
    assert [MethodResult.from_json(m).rows for m in told["methods"]] == [r.rows for r in PAIR]


def blocked(library: str, statement: str) -> str:
    """Run a statement in a process where one library cannot be imported; return the error."""
    code = f"import sys; sys.modules[{library!r}] = None\n{statement}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("library", "statement", "purpose"),
    [
        ("lightning", "from deconfound.training import fit", "training"),
        ("rich", "import deconfound.training as t; t.results_table([])", "the results table"),
        ("rich", "import deconfound.training as t; t.TrainingProgress()", "the progress bar"),
        ("matplotlib", "import deconfound.training.report.figures", "the report"),
    ],
)
def test_a_missing_extra_names_the_remedy(library: str, statement: str, purpose: str) -> None:
    assert blocked(library, statement) == (
        f"deconfound.errors.ConfigurationError: {purpose} needs {library}, which is not installed; "
        f'run `pip install "deconfound[recipes]"`'
    )


def test_importing_the_package_is_cheap() -> None:
    heavy = ["lightning", "rich", "jinja2", "matplotlib", "segmentation_models_pytorch"]
    code = f"import sys, deconfound.training; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
