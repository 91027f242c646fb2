"""A site is looked over file by file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deconfound.data import Sample, Site, check_site, pair_by_stem
from tests.data.drawing import blob, draw


def test_a_report_says_what_was_found(tmp_path: Path) -> None:
    def sample(name: str, size: tuple[int, int], top: int, **more: str) -> Sample:
        image = draw(tmp_path / f"{name}.png", size=size)
        return Sample(image, draw(tmp_path / f"m{name}.png", blob(top, size)), "s", **more)

    samples = [
        sample("a", (20, 16), 255, group="p1", class_name="polyp"),
        sample("b", (40, 32), 255, group="p1", class_name="polyp"),
        sample("c", (40, 20), 0, group="p2"),
        sample("d", (20, 16), 255),
        sample("e", (20, 16), 255),
        sample("f", (20, 16), 3),
    ]
    draw(tmp_path / "md.png", blob(255, (9, 9)))
    samples[4].image.write_bytes(b"no image")
    told: list[int] = []
    report = check_site(
        Site("s", tuple(samples), ("x: told before",), ("a note",)), lambda i, n: told.append(i)
    )
    assert told == [1, 2, 3, 4, 5, 6]
    assert report.pairs == 3
    assert (report.smallest, report.median, report.largest) == ((20, 16), (40, 20), (40, 32))
    assert (report.groups, report.ungrouped, report.empty_masks) == (2, 0, 1)
    assert report.classes == {"polyp": 2, "unknown": 1}
    assert report.foreground == pytest.approx((0.25 + 0.25 + 0) / 3)
    assert report.notes == ("a note",)
    words = (
        "told before",
        "md.png: expected the size",
        "e.png: expected an image",
        "mf.png: expected a binary",
    )
    for problem, word in zip(report.problems, words, strict=True):
        assert word in problem
    assert json.loads(json.dumps(report.to_mapping()))["pairs"] == 3


def test_an_empty_site_has_a_report_too() -> None:
    report = check_site(Site("s", ()))
    assert (report.pairs, report.smallest, report.foreground) == (0, None, 0.0)


def test_pairs_in_natural_order_and_what_is_left_over() -> None:
    images = [Path(f"images/{name}") for name in ("10.png", "2.png", "3.png", "2.jpg")]
    masks = [Path(f"masks/{name}") for name in ("p2.tif", "p10.tif", "p4.tif")]
    pairs, problems = pair_by_stem(images, masks, lambda stem: stem.removeprefix("p"))
    assert [(i.name, m.name) for i, m in pairs] == [("10.png", "p10.tif"), ("2.png", "p2.tif")]
    assert problems == [
        "images/2.jpg: 2.png has the same name; keep one of them",
        "images/3.png: the mask is missing; add it or remove the image",
        "masks/p4.tif: a mask without an image; add the image or remove the mask",
    ]
