"""Near-duplicates: a copy is found however it was stored, and strangers are not."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deconfound.data import (
    Sample,
    Site,
    check_leakage,
    near_duplicates,
    read_image,
    split_samples,
)
from deconfound.data.duplicates import BITS, MAX_DISTANCE, fingerprint, fingerprints
from deconfound.errors import ConfigurationError


def _scene(seed: int, size: int = 160) -> np.ndarray:
    """A smooth coloured picture: noise of low frequency, so that no two seeds look alike."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))


def _cropped(image: np.ndarray, cut: float, x: float, y: float) -> np.ndarray:
    height, width = image.shape[:2]
    inner_h, inner_w = round((1 - cut) * height), round((1 - cut) * width)
    top, left = round(y * (height - inner_h)), round(x * (width - inner_w))
    return image[top : top + inner_h, left : left + inner_w]


def _resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def _recompressed(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def _distance(one: np.ndarray, two: np.ndarray) -> int:
    prints = np.stack([fingerprint(one), fingerprint(two)])
    (pair,) = near_duplicates(prints, BITS)
    return pair.distance


COPIES = {
    "smaller": lambda image: _resized(image, 128, 128),
    "stretched": lambda image: _resized(image, 300, 170),
    "recompressed": lambda image: _recompressed(image, 60),
    "a twentieth cut off": lambda image: _cropped(image, 0.05, 0.5, 0.5),
    "a tenth cut off one corner": lambda image: _cropped(image, 0.10, 1, 0),
    "everything": lambda image: _recompressed(
        _resized(_cropped(image, 0.07, 0.3, 0.8), 128, 128), 60
    ),
}


@pytest.mark.parametrize("copy", list(COPIES), ids=list(COPIES))
def test_a_copy_is_near(copy: str) -> None:
    for seed in range(4):
        scene = _scene(seed)
        assert _distance(scene, COPIES[copy](scene)) <= MAX_DISTANCE


def test_strangers_are_far_and_the_order_does_not_matter() -> None:
    prints = np.stack([fingerprint(_scene(seed)) for seed in range(12)])
    assert near_duplicates(prints) == []
    every = near_duplicates(prints, BITS)
    assert len(every) == 66
    assert [pair.distance for pair in every] == sorted(pair.distance for pair in every)
    backwards = near_duplicates(prints[::-1], BITS)
    there = {(p.first, p.second): p.distance for p in every}
    assert there == {(11 - p.second, 11 - p.first): p.distance for p in backwards}


def test_the_distance_is_that_of_a_slow_count() -> None:
    rng = np.random.default_rng(0)
    prints = rng.random((70, 3, 16)) < 0.5  # more than one block of rows
    expected = {}
    for i in range(70):
        for j in range(i + 1, 70):
            to = (prints[i, 0] != prints[j]).sum(axis=1).min()
            fro = (prints[j, 0] != prints[i]).sum(axis=1).min()
            if min(to, fro) <= 3:
                expected[i, j] = int(min(to, fro))
    found = {(p.first, p.second): p.distance for p in near_duplicates(prints, 3)}
    assert found == expected
    assert found


def test_nothing_to_compare() -> None:
    assert near_duplicates(np.empty((0, 2, 8), bool)) == []
    assert near_duplicates(np.zeros((1, 2, 8), bool)) == []


def test_grey_pictures_are_told_apart_and_their_copies_found() -> None:
    grey = [np.repeat(_scene(seed)[..., :1], 3, axis=2) for seed in range(6)]
    assert near_duplicates(np.stack([fingerprint(image) for image in grey])) == []
    assert _distance(grey[0], _recompressed(_resized(grey[0], 128, 128), 60)) <= MAX_DISTANCE


def _save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def _site(folder: Path, name: str, frames: dict[str, tuple[int, str | None]]) -> Site:
    """A site of scenes, each frame with its seed and group."""
    samples = tuple(
        Sample(_save(folder / name / f"{frame}.png", _scene(seed)), Path("m.png"), name, group)
        for frame, (seed, group) in frames.items()
    )
    return Site(name, samples)


def test_pairs_are_told_by_where_they_lie(tmp_path: Path) -> None:
    north = {"a": (0, "p1"), "b": (0, "p1"), "c": (1, "p2"), "d": (1, "p3"), "e": (2, None)}
    south = {"f": (2, None), "g": (3, "p1"), "h": (4, None), "i": (4, None)}
    sites = [_site(tmp_path, "north", north), _site(tmp_path, "south", south)]
    told: list[tuple[int, int]] = []
    report = check_leakage(sites, progress=lambda done, total: told.append((done, total)))
    assert told == [(i, 9) for i in range(1, 10)]
    assert (report.images, report.within_groups) == (9, 1)
    names = [{(p.first.stem, p.second.stem) for p in pairs} for pairs in
             (report.between_groups, report.between_sites)]  # fmt: skip
    assert names == [{("c", "d"), ("h", "i")}, {("e", "f")}]
    assert report.shared_groups == {"p1": ("north", "south")}
    assert [(split.seed, split.groups) for split in report.splits] == [(0, ())]
    assert report.leaks
    mapping = report.to_mapping()
    assert mapping["between_sites"][0]["first"] == str(tmp_path / "north/e.png")


def test_copies_across_each_split_are_named(tmp_path: Path) -> None:
    frames = {f"{i:02d}": (i % 10, None) for i in range(20)}  # every picture twice
    site = _site(tmp_path, "north", frames)
    report = check_leakage([site], 0.2, seeds=range(4))
    assert len(report.between_groups) == 10
    assert [split.seed for split in report.splits] == [0, 1, 2, 3]
    for split in report.splits:
        _, held = split_samples(site.samples, 0.2, split.seed)
        validating = {sample.image for sample in held}
        divided = {
            pair
            for pair in report.between_groups
            if (pair.first in validating) != (pair.second in validating)
        }
        assert 0 < len(split.pairs) <= 4
        assert set(split.pairs) == divided
    assert len({split.pairs for split in report.splits}) > 1


def test_copies_within_a_group_are_never_divided(tmp_path: Path) -> None:
    frames = {f"{i:02d}": (i % 10, f"p{i % 10}") for i in range(20)}
    report = check_leakage([_site(tmp_path, "south", frames)], 0.2, seeds=range(4))
    assert report.within_groups == 10
    assert all((split.pairs, split.groups) == ((), ()) for split in report.splits)
    assert not report.leaks


def test_what_cannot_be_split_or_read_is_compared_all_the_same(tmp_path: Path) -> None:
    site = _site(tmp_path, "north", {"a": (0, "p"), "b": (0, "p"), "c": (1, "p")})
    (tmp_path / "north/b.png").write_text("no image")
    readable, prints = fingerprints(site.samples)
    assert readable == [0, 2]
    np.testing.assert_array_equal(prints[1], fingerprint(_scene(1)))
    report = check_leakage([site])
    assert (report.images, report.within_groups) == (2, 0)
    assert report.splits == ()
    assert report.no_split is not None
    assert report.no_split.startswith("a grouped validation split needs at least two")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagehash", None)
    with pytest.raises(ConfigurationError, match=r"needs imagehash.*deconfound\[recipes\]"):
        fingerprint(_scene(0))


def test_real_copies_are_found_and_strangers_are_not(real_data: Path) -> None:
    """Copies as docs/data.md measures them, on every fortieth frame."""
    files = sorted((real_data / "compact/Kvasir-SEG/images").iterdir())[::40]
    images = [read_image(file) for file in files]
    prints = [fingerprint(image) for image in images]
    assert near_duplicates(np.stack(prints)) == []
    rng = np.random.default_rng(0)
    for image, known in zip(images, prints, strict=True):
        cut = _cropped(image, rng.uniform(0.05, 0.10), *rng.random(2))
        for copy in (_resized(image, 128, 128), _recompressed(image, 60), cut):
            assert near_duplicates(np.stack([known, fingerprint(copy)]))


def test_real_frames_at_their_own_size_are_those_of_the_small_copy(real_data: Path) -> None:
    small = {file.stem: file for file in (real_data / "compact/Kvasir-SEG/images").iterdir()}
    for file in sorted((real_data / "native/Kvasir-SEG/images").iterdir()):
        assert _distance(read_image(file), read_image(small[file.stem])) <= MAX_DISTANCE / 4
