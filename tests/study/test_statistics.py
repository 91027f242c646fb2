"""Means worked by hand, and intervals against scipy, against theory and against known truth."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from deconfound.errors import DataError, UnknownNameError
from deconfound.study.images import score_images
from deconfound.study.statistics import paired_bootstrap, summarise
from deconfound.training.comparison import paired_difference
from deconfound.training.evaluation import evaluate
from deconfound.training.metrics import MethodResult
from tests.study.painted import Reader, cpu, painted, scene
from tests.study.rows import table, two_methods


def small_study() -> pd.DataFrame:
    """Two sites of one and three images, two seeds."""
    north = [{"holdout": "North", "image": "a", "seed": s, "dice": [0.2, 0.6][s]} for s in (0, 1)]
    south = [
        {"holdout": "South", "image": name, "seed": seed, "dice": dice[seed]}
        for name, dice in {"a": (0.9, 0.7), "b": (0.6, 0.7), "c": (0.3, 0.7)}.items()
        for seed in (0, 1)
    ]
    return table([*north, *south])


def test_sites_count_the_same_and_seeds_spread() -> None:
    found = summarise(small_study(), ["method"]).iloc[0]
    # Seed 0: (0.2 + 0.6) / 2; seed 1: (0.6 + 0.7) / 2. Over all images it were 0.5 and 0.675.
    assert found["mean"] == pytest.approx((0.4 + 0.65) / 2)
    assert found["sd"] == pytest.approx(0.25 / math.sqrt(2))
    assert (found["seeds"], found["images"]) == (2, 4)


def test_by_site_there_is_a_row_for_each() -> None:
    found = summarise(small_study(), ["method", "holdout"])
    assert found["holdout"].tolist() == ["North", "South"]
    assert found["mean"].tolist() == pytest.approx([0.4, 0.65])
    assert found["sd"].tolist() == pytest.approx([0.4 / math.sqrt(2), 0.1 / math.sqrt(2)])
    assert found["images"].tolist() == [1, 3]


def test_one_seed_has_no_spread() -> None:
    found = summarise(small_study(), ["seed"])
    assert found["mean"].tolist() == pytest.approx([0.4, 0.65])
    assert found["sd"].isna().all()
    assert found["seeds"].tolist() == [1, 1]


def test_pixels_are_pooled_within_a_site_and_averaged_like_the_mean() -> None:
    counts = ("tp", "fp", "fn", "tn", "acc")
    rows = [
        dict(zip(counts, (10, 0, 0, 90, 1.0), strict=True), image="a", seed=0),
        dict(zip(counts, (0, 10, 20, 70, 0.7), strict=True), image="b", seed=0),
        dict(zip(counts, (10, 0, 0, 90, 1.0), strict=True), image="a", seed=1),
        dict(zip(counts, (20, 0, 0, 80, 1.0), strict=True), image="b", seed=1),
    ]
    empty = [
        dict(zip(counts, (0, 0, 0, 100, 1.0), strict=True), image="a", seed=s, holdout="South")
        for s in (0, 1)
    ]
    found = summarise(table([*rows, *empty]), ["holdout"])
    # Seed 0: tp 10, fp 10, fn 20 of 200 pixels; seed 1: perfect. South: nothing there, none found.
    assert found["pooled_dice"].tolist() == pytest.approx([(20 / 50 + 1) / 2, 1])
    assert found["pooled_iou"].tolist() == pytest.approx([(10 / 40 + 1) / 2, 1])
    assert found["pooled_acc"].tolist() == pytest.approx([(170 / 200 + 1) / 2, 1])
    overall = summarise(table([*rows, *empty]), ["method"]).iloc[0]
    assert overall["pooled_dice"] == pytest.approx((0.7 + 1) / 2)


def test_a_pooled_score_has_a_spread_over_seeds_like_any_other() -> None:
    shares = {0: (1, 1), 1: (3, 1)}
    counts = [{"tp": tp, "fp": fp, "fn": 0, "tn": 0} for tp, fp in shares.values()]
    frame = table([{"image": "a", "seed": seed} | own for seed, own in enumerate(counts)])
    found = summarise(frame, ["method"], "pooled_iou").iloc[0]
    assert found["mean"] == found["pooled_iou"] == pytest.approx((1 / 2 + 3 / 4) / 2)
    assert found["sd"] == pytest.approx((3 / 4 - 1 / 2) / math.sqrt(2))


def test_pooled_accuracy_is_what_evaluate_says_of_several_classes() -> None:
    dataset = painted(*scene(0, images=6, classes=3))
    scores = score_images(Reader(4), dataset, cpu()).to_dict("records")
    rows = table({**row, "image": str(row["index"])} for row in scores)
    said = evaluate(Reader(4), dataset, cpu()).overall
    found = summarise(rows, ["method"]).iloc[0]
    assert found["mean"] == pytest.approx(said.mean.dice)
    assert found["pooled_acc"] == pytest.approx(said.pooled.acc)


def test_any_score_can_be_summarised() -> None:
    rows = table({"image": name, "hd95": hd95} for name, hd95 in (("a", 3.0), ("b", 50.0)))
    assert summarise(rows, ["method"], metric="hd95")["mean"].item() == 26.5


def test_images_of_no_known_lesion_are_a_row_too() -> None:
    rows = table({"image": str(n), "lesion": x} for n, x in enumerate(["polyp", "", None]))
    assert summarise(rows, ["lesion"])["images"].sum() == 3


def test_no_rows_make_no_rows() -> None:
    found = summarise(small_study().iloc[:0], ["method", "holdout"])
    assert len(found) == 0
    assert {"method", "holdout", "mean", "sd", "seeds", "images"} <= set(found.columns)


def test_what_cannot_be_averaged_is_refused() -> None:
    study = small_study()
    with pytest.raises(DataError, match=r"seed 1, .*image a: .*every seed.* \(1 rows in all\)"):
        summarise(study.drop(index=2), ["method"])  # South's a, seed 0
    with pytest.raises(DataError, match="image a: expected a value of nsd, found none"):
        summarise(study.assign(nsd=[math.nan, *[0.5] * 7]), ["method"], "nsd")
    both = pd.concat([study, study.assign(setting='{"lr": 1}')])
    with pytest.raises(DataError, match="expected one row, found 2: choose one setting"):
        summarise(both, ["method"])
    with pytest.raises(DataError, match="missing: jaccard"):
        summarise(study, ["method"], "jaccard")
    with pytest.raises(DataError, match="at least one column"):
        summarise(study, [])


def test_methods_that_were_not_scored_on_the_same_frames_are_refused() -> None:
    study = small_study()
    both = pd.concat([study, study.assign(method="mcdrl")], ignore_index=True)
    assert len(summarise(both, ["method"])) == 2
    fewer_seeds = both[(both["method"] != "mcdrl") | (both["seed"] == 0)]
    told = r"image a of North, seed 1: expected a row of mcdrl .* baseline, .*\(4 such frames"
    with pytest.raises(DataError, match=told):
        summarise(fewer_seeds, ["method"])
    fewer_sites = both[(both["method"] != "baseline") | (both["holdout"] == "South")]
    with pytest.raises(DataError, match=r"image a of North, seed 0: expected a row of baseline"):
        summarise(fewer_sites, ["method", "lesion"])
    assert len(summarise(fewer_sites, ["method", "holdout"])) == 3  # each row is of one site
    larger = study.assign(backbone="large")
    assert len(summarise(pd.concat([both, larger]), ["method", "backbone"])) == 3


def test_settings_side_by_side_are_rows() -> None:
    study = small_study()
    both = pd.concat([study, study.assign(setting='{"lr": 1}', dice=0.0)])
    assert summarise(both, ["setting"])["mean"].tolist() == pytest.approx([0.0, 0.525])


def test_singletons_agree_with_scipy() -> None:
    differences = np.random.default_rng(1).gamma(1.0, 0.05, size=60) - 0.02
    found = paired_bootstrap(two_methods(differences), "baseline", "ours", draws=20_000)
    oracle = stats.bootstrap(
        (differences,), np.mean, n_resamples=20_000, method="percentile", rng=2
    ).confidence_interval
    width = oracle.high - oracle.low
    assert found.mean == pytest.approx(differences.mean())
    assert [found.low, found.high] == pytest.approx([*oracle], abs=0.03 * width)
    assert (found.images, found.groups, found.holdouts, found.seeds) == (60, 60, 1, 1)
    assert found.settled == (oracle.low > 0)


def test_two_sites_agree_with_scipy() -> None:
    draw = np.random.default_rng(3)
    north, south = draw.normal(0.1, 0.1, size=15), draw.normal(-0.05, 0.02, size=80)
    rows = pd.concat([two_methods(north, holdout="North"), two_methods(south, holdout="South")])
    found = paired_bootstrap(rows, "baseline", "ours", draws=20_000)
    oracle = stats.bootstrap(
        (north, south),
        lambda a, b, axis: (a.mean(axis=axis) + b.mean(axis=axis)) / 2,
        n_resamples=20_000,
        method="percentile",
        rng=4,
    ).confidence_interval
    assert found.mean == pytest.approx((north.mean() + south.mean()) / 2)
    assert [found.low, found.high] == pytest.approx(
        [*oracle], abs=0.03 * (oracle.high - oracle.low)
    )


def test_singletons_of_one_site_are_what_the_run_report_says() -> None:
    differences = np.random.default_rng(5).normal(0, 0.1, size=40)
    one, other = (
        MethodResult(name, (), np.arange(40), 0.4 + shift)
        for name, shift in (("baseline", 0 * differences), ("ours", differences))
    )
    reported = paired_difference(one, other)
    found = paired_bootstrap(two_methods(differences), "baseline", "ours")
    assert reported is not None
    assert (found.mean, found.low, found.high) == pytest.approx(
        (reported.mean, reported.low, reported.high)
    )


def test_equal_frames_of_a_patient_widen_the_interval_by_the_root_of_their_number() -> None:
    patients = np.random.default_rng(6).normal(0.02, 0.1, size=50)
    frames, names = np.repeat(patients, 9), np.repeat([f"p{i}" for i in range(50)], 9)
    grouped = paired_bootstrap(two_methods(frames, names), "baseline", "ours", draws=8000)
    naive = paired_bootstrap(two_methods(frames), "baseline", "ours", draws=8000)
    assert grouped.mean == pytest.approx(naive.mean)
    assert (grouped.high - grouped.low) / (naive.high - naive.low) == pytest.approx(3, rel=0.05)
    assert (grouped.images, grouped.groups) == (450, 50)


def test_copies_of_every_frame_change_nothing() -> None:
    differences = np.random.default_rng(7).normal(0.02, 0.1, size=24)
    names = [f"p{number % 7}" for number in range(24)]
    once = paired_bootstrap(two_methods(differences, names), "baseline", "ours")
    copied = two_methods(np.tile(differences, 3), names * 3)
    thrice = paired_bootstrap(copied, "baseline", "ours")
    assert (thrice.mean, thrice.low, thrice.high) == pytest.approx((once.mean, once.low, once.high))
    assert (thrice.images, thrice.groups) == (72, 7)


def test_patients_count_by_their_frames_as_scipy_says() -> None:
    draw = np.random.default_rng(11)
    sizes = draw.integers(1, 20, size=25)
    patients = 0.005 * sizes + draw.normal(0, 0.05, size=25)  # who has more frames gains more
    names = np.repeat([f"p{i:02}" for i in range(25)], sizes)
    rows = two_methods(np.repeat(patients, sizes), names)
    found = paired_bootstrap(rows, "baseline", "ours", draws=20_000)
    oracle = stats.bootstrap(
        (patients * sizes, sizes),
        lambda total, frames, axis: total.sum(axis=axis) / frames.sum(axis=axis),
        paired=True,
        n_resamples=20_000,
        method="percentile",
        rng=12,
    ).confidence_interval
    assert found.mean == pytest.approx((patients * sizes).sum() / sizes.sum())
    assert [found.low, found.high] == pytest.approx(
        [*oracle], abs=0.03 * (oracle.high - oracle.low)
    )


def test_seeds_are_averaged_image_by_image() -> None:
    draw = np.random.default_rng(8)
    seeds = draw.normal(0.02, 0.1, size=(3, 20))
    rows = pd.concat([two_methods(row).assign(seed=s) for s, row in enumerate(seeds)])
    found = paired_bootstrap(rows, "baseline", "ours")
    averaged = paired_bootstrap(two_methods(seeds.mean(axis=0)), "baseline", "ours")
    assert (found.mean, found.low, found.high) == pytest.approx(
        (averaged.mean, averaged.low, averaged.high)
    )
    assert (found.images, found.seeds) == (20, 3)
    means = summarise(rows, ["method"])["mean"]
    assert found.mean == pytest.approx(means[1] - means[0])


def test_the_other_way_round_is_the_negative() -> None:
    rows = two_methods(np.random.default_rng(9).normal(0.02, 0.1, size=20))
    there, back = (
        paired_bootstrap(rows, "baseline", "ours"),
        paired_bootstrap(rows, "ours", "baseline"),
    )
    assert (-back.mean, -back.high, -back.low) == pytest.approx((there.mean, there.low, there.high))


def test_missing_partners_are_named() -> None:
    rows = two_methods(np.zeros(5))
    with pytest.raises(
        DataError, match=r"image 0003\.png of North, seed 0: .* of baseline for ours.*\(1 without"
    ):
        paired_bootstrap(rows.drop(index=8), "baseline", "ours")
    both = pd.concat([rows, rows.assign(seed=1)], ignore_index=True)
    with pytest.raises(DataError, match=r"seed 1: .* of ours for baseline.*\(5 without"):
        paired_bootstrap(both.drop(index=range(10, 15)), "baseline", "ours")
    with pytest.raises(DataError, match=r"image 0002\.png: expected a row for every seed"):
        paired_bootstrap(both.drop(index=[12, 17]), "baseline", "ours")
    with pytest.raises(UnknownNameError, match="did you mean ours"):
        paired_bootstrap(rows, "baseline", "our")


def test_what_cannot_be_compared_is_refused() -> None:
    rows = two_methods(np.zeros(4), ["p", "p", "p", "p"])
    mixed = rows.assign(group=["p", "q"] * 2 + ["q", "p"] * 2)
    with pytest.raises(DataError, match=r"one group for image 0000\.png of North, .*'p' and 'q'"):
        paired_bootstrap(mixed, "baseline", "ours")
    with pytest.raises(DataError, match="choose one backbone"):
        paired_bootstrap(pd.concat([rows, rows.assign(backbone="big")]), "baseline", "ours")


def test_one_patient_leaves_a_difference_without_an_interval() -> None:
    found = paired_bootstrap(two_methods(np.full(4, 0.1), ["p"] * 4), "baseline", "ours")
    assert found.mean == pytest.approx(0.1)
    assert np.isnan([found.low, found.high]).all()
    assert not found.settled


def test_nobodys_images_are_apart_and_names_of_groups_are_a_sites_own() -> None:
    rows = pd.concat(
        [
            two_methods(np.zeros(4), ["p", "p", "", ""], holdout="North"),
            two_methods(np.zeros(3), ["p", "q", "0000.png"], holdout="South"),
        ]
    )
    assert paired_bootstrap(rows, "baseline", "ours").groups == 3 + 3
    assert paired_bootstrap(rows.replace({"group": {"": None}}), "baseline", "ours").groups == 6


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """200 studies of 30 patients with 4 frames each, of which patients make half the variance.

    Counted are intervals that hold the true difference; of 200 at 95 %, 190 ± 6 do (two standard
    deviations). A percentile interval of 30 units lacks one or two of a hundred. One that takes
    frames for patients is √2.5 times too narrow, and covers 78 %.
    """
    draw, covered = np.random.default_rng(10), {"patients": 0, "frames": 0}
    names = np.repeat([f"p{i}" for i in range(30)], 4)
    for _ in range(200):
        patients = np.repeat(draw.normal(0, 0.1, size=30), 4)
        differences = 0.03 + patients + draw.normal(0, 0.1, size=120)
        for unit, groups in (("patients", names), ("frames", None)):
            found = paired_bootstrap(
                two_methods(differences, groups), "baseline", "ours", draws=400
            )
            covered[unit] += found.low <= 0.03 <= found.high
    assert 180 <= covered["patients"] <= 198
    assert covered["frames"] <= 170
