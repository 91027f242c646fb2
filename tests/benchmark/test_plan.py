"""Whatever is asked for: one axis at a time, each cell once, plain and oracle always."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deconfound.benchmark import BenchmarkSettings, Cell, plan
from deconfound.benchmark.cells import BASE_SIZE, BASE_STRENGTH, DEFAULT, PLAIN
from deconfound.benchmark.named import NAMED

METHODS = {*NAMED, *BenchmarkSettings().methods}

settings = st.builds(
    BenchmarkSettings,
    worlds=st.lists(st.sampled_from(["renderable", "mixed"]), min_size=1, unique=True).map(tuple),
    methods=st.lists(st.sampled_from(sorted(METHODS)), unique=True, max_size=4).map(tuple),
    strengths=st.lists(st.sampled_from([0.0, 0.5, 0.95, 0.99]), unique=True).map(tuple),
    sizes=st.lists(st.sampled_from([3, 12, 15]), unique=True).map(tuple),
    qualities=st.lists(st.sampled_from(["true", "wrong"]), unique=True).map(tuple),
    seeds=st.integers(1, 3),
)


@given(settings)
def test_every_cell_stands_once_and_has_what_it_is_measured_against(chosen) -> None:
    cells = plan(chosen)
    assert len(set(cells)) == len(cells)
    for cell in cells:
        assert Cell(cell.world, PLAIN, cell.strength, seed=cell.seed) in cells
        assert Cell(cell.world, PLAIN, 0.0, seed=cell.seed) in cells
        if cell.method == DEFAULT:
            assert Cell(cell.world, DEFAULT, 0.0, seed=cell.seed) in cells


@given(settings)
def test_one_thing_is_varied_at_a_time(chosen) -> None:
    for cell in plan(chosen):
        away = (cell.strength != BASE_STRENGTH, cell.size != BASE_SIZE, cell.quality != "true")
        assert sum(away) <= 1


@given(settings)
def test_no_dictionary_is_varied_for_a_method_that_reads_none(chosen) -> None:
    for cell in plan(chosen):
        assert cell.method != PLAIN or (cell.size, cell.quality) == (BASE_SIZE, "true")


@given(settings)
def test_one_more_seed_keeps_the_cells_and_comes_last(chosen) -> None:
    cells = plan(chosen)
    more = plan(chosen.model_copy(update={"seeds": chosen.seeds + 1}))
    assert more[: len(cells)] == cells
    assert {cell.seed for cell in more[len(cells) :]} == {chosen.seeds}


@given(settings)
def test_names_tell_cells_apart(chosen) -> None:
    cells = plan(chosen)
    assert len({cell.name for cell in cells}) == len(cells)
