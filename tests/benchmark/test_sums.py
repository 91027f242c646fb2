"""Methods as sums of parts: any order means the same, and no two parts set the same thing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deconfound.benchmark import BenchmarkSettings, Cell
from deconfound.benchmark.methods import canonical, method_of
from deconfound.benchmark.named import NAMED
from deconfound.benchmark.parts import AVERAGED, PARTS
from deconfound.benchmark.runner import run_cell
from deconfound.cli import main
from deconfound.dictionaries import dictionaries
from deconfound.errors import ConfigurationError, UnknownNameError
from deconfound.estimators import estimators
from deconfound.training.adjustment import AdjustmentSettings
from deconfound.training.progress import Watcher

OFF = AdjustmentSettings.off()
DOCS = Path(__file__).parents[2] / "docs" / "benchmark.md"


@st.composite
def chosen(draw: st.DrawFn) -> list[str]:
    """One part or none of each kind, such that they add up."""
    kinds = dict.fromkeys(part.sets for part in PARTS.values())
    of_kind = {kind: [n for n, part in PARTS.items() if part.sets == kind] for kind in kinds}
    picked = {kind: draw(st.none() | st.sampled_from(names)) for kind, names in of_kind.items()}
    summed = picked["estimator"] or picked["average"]
    if summed and picked["intervention"] not in (None, *AVERAGED):
        picked["intervention"] = None
    if picked["calibrate"]:
        picked["weigh_by"] = None
    return [name for name in picked.values() if name] or ["render"]


@given(chosen(), st.randoms())
def test_any_order_builds_the_same_method_under_the_same_name(parts: list[str], random) -> None:
    shuffled = random.sample(parts, len(parts))
    name = canonical("+".join(parts))
    assert canonical("+".join(shuffled)) == name
    assert canonical(name) == name
    assert sorted(name.split("+")) == sorted(parts)
    assert method_of(" + ".join(shuffled)) == method_of(name)
    assert method_of(name).title == " + ".join(PARTS[part].title for part in name.split("+"))


@given(chosen())
def test_every_part_has_its_say(parts: list[str]) -> None:
    built = method_of("+".join(parts))
    weights = {"lambda_causal": built.lambda_causal, "lambda_lesion": built.lambda_lesion}
    said = {**built.parts, **built.adjustment.model_dump(), **weights}
    for part in (PARTS[name] for name in parts):
        if part.sets == "estimator":
            assert said["intervention"]["estimator"] == part.value
        elif part.sets == "intervention" and part.value in AVERAGED:
            assert said["intervention"]["name"] == part.value
        else:
            assert said[part.sets] == part.value
        assert part.what in built.what


@given(st.sampled_from(sorted(PARTS)), st.sampled_from(sorted(PARTS)))
def test_two_parts_that_set_the_same_thing_are_refused(one: str, other: str) -> None:
    if PARTS[one].sets == PARTS[other].sets:
        with pytest.raises(ConfigurationError, match="leave one of them out"):
            method_of(f"{one}+{other}")


def test_named_sums_are_what_they_were() -> None:
    published = {"selector": "mtrs", "intervention": "cross_attention"}
    default = method_of("default")
    assert (default.parts, default.lambda_causal) == (published, 0.5)
    assert default.adjustment == AdjustmentSettings()
    assert method_of("unbalanced").adjustment == AdjustmentSettings(
        weighting="none", weigh_by="words"
    )
    mcdrl = method_of("mcdrl")
    assert (mcdrl.parts, mcdrl.adjustment, mcdrl.lambda_causal) == (published, OFF, 0.5)
    robust = method_of("doubly_robust")
    assert robust.parts == {"intervention": {"name": "gated_mlp", "estimator": "standardisation"}}
    assert robust.adjustment == OFF.model_copy(update={"weighting": "sampler"})
    assert (method_of("plain").parts, method_of("plain").adjustment) == ({}, OFF)
    exact = {"name": "gated_mlp", "estimator": "enumeration"}
    assert method_of("enumeration").parts == {"intervention": exact}
    assert method_of("kmeans").parts == {"dictionary": "kmeans", "intervention": "cross_attention"}
    assert method_of("transplant").adjustment == OFF.model_copy(update={"transplant": 0.5})
    literal = method_of("mcdrl_literal").parts["intervention"]
    assert literal == {"name": "cross_attention", "merge": "replace"}


def test_front_door_looks_at_other_pictures() -> None:
    """Over a dictionary of texts there are none in it, see docs/literature.md."""
    assert method_of("front_door").parts == {"dictionary": "kmeans", "intervention": "front_door"}
    assert method_of("front_door+learned").parts["dictionary"] == "learned"


def test_an_estimator_chooses_its_outcome_model_before_a_dictionary_does() -> None:
    few = {"name": "gated_mlp", "estimator": "monte_carlo"}
    assert method_of("kmeans+monte_carlo").parts == {"dictionary": "kmeans", "intervention": few}


def test_named_sums_can_be_added_to() -> None:
    more = method_of("transplant+doubly_robust")
    assert canonical("transplant+doubly_robust") == "doubly_robust+transplant"
    assert more.title == "Doubly robust + Transplant"
    assert more.parts == method_of("doubly_robust").parts
    assert (more.adjustment.transplant, more.adjustment.weighting) == (0.5, "sampler")


def test_every_estimator_and_every_dictionary_can_be_asked_for() -> None:
    of_kind = {
        kind: {part.value for part in PARTS.values() if part.sets == kind}
        for kind in ("estimator", "dictionary", "weighting")
    }
    assert of_kind["estimator"] == set(estimators)
    assert of_kind["dictionary"] == set(dictionaries) - {"text"}  # which is there unasked
    assert of_kind["weighting"] == {"sampler", "loss"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("film+wieghting", "unknown method or part 'wieghting'; did you mean weighting"),
        ("film++render", "unknown method or part ''"),
        ("film+gated_mlp", "expected one choice of intervention, found gated_mlp and film"),
        ("default+film", "expected one choice of intervention, found cross_attention and film"),
        ("render+render", "expected one choice of render, found render and render"),
        ("weighting+loss_weighting", "one choice of weighting"),
        ("erasure+monte_carlo", "one of gated_mlp, film, translation, found erasure"),
        ("plain+render", "leave plain out of the sum"),
        ("calibrated+propensity", "expected weights that go by it, found propensity"),
    ],
)
def test_a_sum_that_is_none_is_one_sentence(text: str, said: str, tmp_path, capsys) -> None:
    with pytest.raises((ConfigurationError, UnknownNameError)):
        method_of(text)
    out = tmp_path / "run"
    assert main(["benchmark", "causal", "--out", str(out), "--methods", text]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not out.exists()


def test_help_and_docs_list_every_part() -> None:
    helped = BenchmarkSettings.__doc__ or ""
    table = DOCS.read_text()
    for name in (*PARTS, *NAMED):
        assert f"`{name}`" in table, name
        assert name in helped.replace(",", " ").replace(".", " ").replace(";", " ").split(), name


def with_every_part() -> list[str]:
    """Sums that have every part among them, each of as many parts as add up: a training costs."""
    left: dict[str, list[str]] = {}
    for name, part in PARTS.items():
        left.setdefault(part.sets, []).append(name)
    sums = []
    while any(left.values()):
        picked = {kind: names[0] for kind, names in left.items() if names}
        if picked.get("intervention", AVERAGED[0]) not in AVERAGED:
            picked = {k: name for k, name in picked.items() if k not in ("estimator", "average")}
        if "calibrate" in picked:
            picked.pop("weigh_by")
        for kind in picked:
            left[kind].pop(0)
        sums.append(canonical("+".join(picked.values())))
    return sums


def test_the_sums_that_are_trained_have_every_part() -> None:
    assert {part for name in with_every_part() for part in name.split("+")} == set(PARTS)


@pytest.mark.filterwarnings("ignore:merge='replace' is the literal equation")
@pytest.mark.parametrize("name", with_every_part())
def test_every_part_trains(tmp_path: Path, name: str) -> None:
    small = BenchmarkSettings(images=50, test_images=20, image_size=64, epochs=1)
    cell = Cell("mixed", name, size=3)
    found = run_cell(cell, small, tmp_path / "work", Watcher())
    assert found.cell == cell
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:merge='replace' is the literal equation")
@pytest.mark.parametrize("name", sorted(PARTS))
def test_every_part_trains_alone(tmp_path: Path, name: str) -> None:
    small = BenchmarkSettings(images=50, test_images=20, image_size=64, epochs=1)
    found = run_cell(Cell("mixed", name, size=3), small, tmp_path / "work", Watcher())
    json.dumps(found.to_json(), allow_nan=False)
