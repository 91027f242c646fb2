"""Which models are trained, over which dictionaries; and that what is finished is kept."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from deconfound.benchmark.causal import _parse
from deconfound.benchmark.cells import PLAIN, Cell, Outcome, plan
from deconfound.benchmark.dictionaries import QUALITIES, RANKED, pack_for
from deconfound.benchmark.ledger import Ledger
from deconfound.benchmark.settings import QUICK, BenchmarkSettings
from deconfound.errors import ConfigurationError, RunFolderError, UnknownNameError
from deconfound.packs import PromptPack

SIZES = BenchmarkSettings().sizes


def outcome(cell: Cell, dice: float = 0.5) -> Outcome:
    table = {"polyp": {"nbi": (dice, 9), "dark": (0.1, 2)}}
    return Outcome(cell, dice + 0.1, dice, dice - 0.1, dice + 0.05, table, 3.0)


def test_every_method_meets_plain_training_and_the_oracle_seed_by_seed() -> None:
    cells = plan(BenchmarkSettings())
    assert len(cells) == len(set(cells))
    for seed in range(3):
        for world in ("renderable", "mixed", "unrenderable"):
            assert Cell(world, PLAIN, seed=seed) in cells
            assert Cell(world, PLAIN, 0.0, seed=seed) in cells
            for method in BenchmarkSettings().methods:
                assert Cell(world, method, seed=seed) in cells
    seeds = [cell.seed for cell in cells]
    assert seeds == sorted(seeds)


def test_axes_are_varied_one_at_a_time() -> None:
    for cell in plan(BenchmarkSettings()):
        moved = (cell.strength != 0.95, cell.size != 12, cell.quality != "true")
        assert sum(moved) <= 1, cell


def test_quick_is_a_few_models() -> None:
    cells = plan(QUICK)
    assert len(cells) == 10
    assert {cell.method for cell in cells} == {PLAIN, "mcdrl", "default"}
    for world in ("renderable", "mixed"):  # what the default costs where nothing is confounded
        assert Cell(world, "default", 0.0) in cells


def test_quick_goes_to_other_worlds_where_they_are_named() -> None:
    quick = _parse(["--quick", "--worlds", "unrenderable"])
    assert {cell.world for cell in plan(quick)} == {"unrenderable"}


def test_what_is_given_beside_quick_wins_though_it_is_the_usual() -> None:
    quick = _parse(["--quick", "--seeds", "3", "--strengths", "0.5"])
    assert (quick.seeds, quick.images) == (3, QUICK.images)
    strengths = {cell.strength for cell in plan(quick) if cell.method == "mcdrl"}
    assert strengths == {0.0, 0.5, 0.95}


def test_dictionaries_nest() -> None:
    names = [set(pack_for(size).confounder_names) for size in SIZES]
    assert all(small < large for small, large in pairwise(names))
    assert [len(each) for each in names] == list(SIZES)
    endoscopy = PromptPack.load("endoscopy")
    assert names[3] == set(endoscopy.confounder_names)


@pytest.mark.parametrize("quality", QUALITIES)
def test_every_quality_is_a_valid_pack_of_the_same_classes(quality: str) -> None:
    pack, true = pack_for(12, quality), pack_for(12)
    assert pack.class_names == true.class_names
    said, truly = set(pack.confounder_prompts()), set(true.confounder_prompts())
    if quality == "true":
        assert said == truly
    elif quality == "partly_missing":
        assert said < truly
        assert len(said) == 8
    else:
        assert said.isdisjoint(truly)
    if quality == "wrong":  # nothing of the true dictionary may shine through
        assert {one.render for one in pack.confounders} == {None}


def test_dictionaries_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="1 to 15"):
        pack_for(len(RANKED) + 1)
    with pytest.raises(UnknownNameError, match="did you mean paraphrased"):
        pack_for(12, "paraphrase")


def test_an_outcome_comes_back_from_its_line() -> None:
    one = outcome(Cell("mixed", "default"))
    back = Outcome.from_json(json.loads(json.dumps(one.to_json())))
    assert back == one


def test_a_line_that_lacks_a_number_says_which(tmp_path) -> None:
    line = outcome(Cell("mixed", PLAIN)).to_json()
    del line["found"]
    (tmp_path / "cells.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(RunFolderError) as caught:
        Ledger(tmp_path).outcomes()
    assert str(caught.value).endswith(
        "(no 'found'); delete that line, and the cell is trained again"
    )


def test_a_ledger_keeps_a_last_line_whose_end_an_editor_ate(tmp_path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.outcomes() == []
    ledger.append(outcome(Cell("mixed", PLAIN)))
    ledger.path.write_text(ledger.path.read_text().rstrip("\n"))
    assert [each.cell.method for each in ledger.outcomes()] == [PLAIN]
    ledger.append(outcome(Cell("mixed", "default")))
    assert [each.cell.method for each in ledger.outcomes()] == [PLAIN, "default"]


def test_a_damaged_line_is_named(tmp_path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(outcome(Cell("mixed", PLAIN)))
    ledger.path.write_text(ledger.path.read_text() + "nonsense\n")
    with pytest.raises(RunFolderError, match="line 2: expected a finished cell"):
        ledger.outcomes()
