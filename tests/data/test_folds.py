"""Folds are partitions that never split a group."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deconfound.data import (
    Sample,
    Site,
    group_ids,
    leave_one_site_out,
    split_by_group,
    split_samples,
)
from deconfound.errors import ConfigurationError, DataError, UnknownNameError

GROUPS = st.lists(st.none() | st.integers(0, 12), min_size=2, max_size=80)
SHARES = st.floats(0.02, 0.98)
SEEDS = st.integers(0, 2**31)


def _two_groups(groups: list[int | None]) -> bool:
    return len({("i", i) if g is None else ("g", g) for i, g in enumerate(groups)}) > 1


@given(GROUPS, SHARES, SEEDS)
def test_a_split_is_a_partition_that_keeps_groups_whole(
    groups: list[int | None], share: float, seed: int
) -> None:
    assume(_two_groups(groups))
    train, held = split_by_group(groups, share, seed)
    assert sorted(train + held) == list(range(len(groups)))
    assert train
    assert held
    assert not {groups[i] for i in train} & {groups[i] for i in held} - {None}
    assert (train, held) == split_by_group(groups, share, seed)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60), SHARES, SEEDS, st.randoms())
def test_the_order_of_files_decides_nothing(
    groups: list[str], share: float, seed: int, random: object
) -> None:
    assume(len(set(groups)) > 1)
    shuffled = list(groups)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    _, held = split_by_group(groups, share, seed)
    _, held_shuffled = split_by_group(shuffled, share, seed)
    assert {groups[i] for i in held} == {shuffled[i] for i in held_shuffled}


@given(st.integers(20, 400), SHARES, SEEDS)
def test_single_frames_reach_the_share_to_a_frame(count: int, share: float, seed: int) -> None:
    _, held = split_by_group([None] * count, share, seed)
    assert abs(len(held) - min(max(share * count, 1), count - 1)) <= 1


def test_another_seed_is_another_choice() -> None:
    choices = {tuple(split_by_group([None] * 50, 0.2, seed)[1]) for seed in range(20)}
    assert len(choices) == 20


def test_every_site_with_two_groups_validates() -> None:
    strata = ["a"] * 30 + ["b"] * 30 + ["c"] * 10
    groups = [f"a{i // 5}" for i in range(30)] + [f"b{i // 3}" for i in range(30)] + ["c"] * 10
    for seed in range(20):
        _, held = split_by_group(groups, 0.15, seed, strata)
        assert {strata[i] for i in held} == {"a", "b"}


def test_what_cannot_be_split() -> None:
    with pytest.raises(DataError, match="at least two patients or sequences in one site, found 1"):
        split_by_group(["p"] * 10)
    with pytest.raises(DataError, match="found 0"):
        split_by_group([])
    for share in (0.0, 1.0, -1.0, 15.0, float("nan")):
        with pytest.raises(ConfigurationError, match="must lie between 0 and 1"):
            split_by_group([None] * 10, share)


def _site(name: str, count: int = 6) -> Site:
    return Site(
        name,
        tuple(
            Sample(Path(f"{i}.png"), Path(f"m{i}.png"), name, f"p{i // 2}") for i in range(count)
        ),
    )


def test_groups_of_two_sites_are_not_the_same_group() -> None:
    samples = [*_site("a").samples, *_site("b").samples, Sample(Path("x"), Path("y"), "b")]
    ids = group_ids(samples)
    assert len(set(ids)) == 7
    train, held = split_samples(samples, 0.3)
    assert {*train, *held} == {*samples}
    assert {s.site for s in held} == {"a", "b"}
    assert not {*group_ids(train)} & {*group_ids(held)}


def test_frames_of_one_name_in_two_folders_are_nobodys_twice() -> None:
    frames = [Sample(Path(folder) / "1.png", Path("m.png"), "a") for folder in ("x", "y")]
    assert len({*group_ids(frames)}) == 2


def test_leave_one_site_out() -> None:
    sites = [_site("north"), _site("south"), _site("east")]
    fold = leave_one_site_out(sites, "south")
    assert [site.name for site in fold.training] == ["north", "east"]
    assert fold.target is sites[1]


def test_what_cannot_be_left_out() -> None:
    with pytest.raises(UnknownNameError, match="unknown site 'sout'; did you mean south"):
        leave_one_site_out([_site("north"), _site("south")], "sout")
    with pytest.raises(DataError, match="needs at least two sites, found only north"):
        leave_one_site_out([_site("north")], "north")
    with pytest.raises(DataError, match="site south has no usable pair"):
        leave_one_site_out([_site("north"), _site("south", 0)], "north")
    with pytest.raises(DataError, match="two sites are called north"):
        leave_one_site_out([_site("north"), _site("north")], "north")


def test_a_site_with_problems_can_be_refused() -> None:
    _site("north").require_sound()
    with pytest.raises(DataError, match=r"site s: a\.png: the mask is missing \(and 1 more\)"):
        Site("s", (), ("a.png: the mask is missing", "b")).require_sound()
    with pytest.raises(DataError, match="site s: expected images with masks under f, found none"):
        Site("s", (), folder=Path("f")).require_sound()


def test_a_split_does_not_depend_on_where_the_data_lie() -> None:
    def held(root: str) -> set[str]:
        names = [f"{i}.png" for i in range(30)]
        frames = [Sample(Path(root) / name, Path("m.png"), "a") for name in (*names, "x/1.png")]
        assert len({*group_ids(frames)}) == len(frames)
        return {s.image.relative_to(root).as_posix() for s in split_samples(frames, 0.3)[1]}

    assert held("here") == held("/somewhere/else")
