"""``sites --check``: what crosses from one part of the data into another, said to people and to
programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deconfound.data import LeakageReport, Site, check_leakage
from deconfound.packs import PromptPack
from recipes.endoscopy_mcdrl import sites
from recipes.endoscopy_mcdrl.__main__ import main
from recipes.endoscopy_mcdrl.cohort import assemble
from recipes.endoscopy_mcdrl.config import RecipeConfig
from tests.recipes.discs import manifest


@pytest.fixture
def shared_picture(tmp_path: Path) -> Path:
    """Two sites, one of which has a picture of the other; channels are stored blue first."""
    rows = ["image,mask,site,group"]
    for number in range(4):
        name = f"{number}.png"
        rng = np.random.default_rng(number % 3)
        coarse = rng.integers(0, 90, (6, 6, 3), dtype=np.uint8) + np.uint8([0, 40, 160])
        Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC).save(tmp_path / name)
        mask = np.zeros((48, 64), np.uint8)
        mask[5:20, 5:20] = 255
        Image.fromarray(mask).save(tmp_path / f"m{name}")
        rows.append(f"{name},m{name},{'north' if number < 2 else 'south'},p{number % 2}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    return tmp_path


def test_programs_get_every_pair(shared_picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sites", "--data", str(shared_picture), "--check", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    (pair,) = found["leakage"]["between_sites"]
    assert pair == {
        "first": str(shared_picture / "0.png"),
        "second": str(shared_picture / "3.png"),
        "distance": 0,
    }
    assert found["leakage"]["shared_groups"] == {
        "p0": ["north", "south"],
        "p1": ["north", "south"],
    }
    assert found["sites"][0]["mask_values"] == [0, 255]
    assert main(["sites", "--data", str(shared_picture), "--json"]) == 0
    assert "leakage" not in json.loads(capsys.readouterr().out)


def test_people_get_sentences(shared_picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sites", "--data", str(shared_picture), "--check"]) == 1
    said = capsys.readouterr().out
    for words in (
        "near-duplicates among 4 images: 0 pairs within a group",
        "1 between sites",
        "split of seed 0, validation share 0.15: ",
        "split of seed 2, validation share 0.15: ",
        "0 groups on both sides",
        f"leak: {shared_picture}/0.png and {shared_picture}/3.png show the same (0 of 384 bits",
        "group names at more than one site: p0, p1; if a name is one patient",
        "north: mask values 0, 255",
        "north: 2 of 2 pictures are more blue than red",
    ):
        assert words in said
    assert "if their files hold blue first, say so with --bgr north" in said
    assert main(["sites", "--data", str(shared_picture), "--bgr", "north", "south"]) == 0
    said = capsys.readouterr().out
    assert "north: channels are read as blue, green, red" in said
    assert "more blue than red" not in said
    assert main(["sites", "--data", str(shared_picture)]) == 0
    assert "near-duplicates" not in capsys.readouterr().out


def test_the_splits_are_those_that_are_asked_for(
    shared_picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--seed", "4", "--seeds", "2", "--validation-share", "0.4"]
    main(["sites", "--data", str(shared_picture), "--check", *flags])
    said = capsys.readouterr().out
    assert [line[:45] for line in said.splitlines() if line.startswith("split")] == [
        "split of seed 4, validation share 0.4: 1 pair",
        "split of seed 5, validation share 0.4: 0 pair",
    ]
    assert "(0 of 384 bits differ), across the split of seed 4\n" in said
    main(["sites", "--data", str(shared_picture), "--check", "--seeds", "9"])
    assert "(0 of 384 bits differ), across the splits of seeds " in capsys.readouterr().out


def test_the_splits_are_those_of_a_training_on_fewer_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked_at: list[Site] = []

    def look(found: Sequence[Site], *more: Any) -> LeakageReport:
        looked_at.extend(found)
        return check_leakage(found, *more)

    monkeypatch.setattr(sites, "check_leakage", look)
    path = manifest(tmp_path, sites=2, patients=20)
    words = ["sites", "--data", str(path), "--frames-per-site", "8"]
    main([*words, "--check"])
    config = RecipeConfig(data=path, frames_per_site=8, holdout="site1", image_size=32)
    cohort = assemble(config, PromptPack.load("endoscopy"), lambda done, total: None)
    trained = [*cohort.train.samples, *cohort.validation.samples]
    assert {s.image for s in looked_at[0].samples} == {s.image for s in trained}
    assert [len(site.samples) for site in looked_at] == [8, 8]
    assert "near-duplicates among 16 images" in capsys.readouterr().out
    assert main(words) == 2
    assert "--frames-per-site: expected --check" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value", "sentence"),
    [
        ("--seeds", "0", "--seeds: expected greater than or equal to 1, found 0"),
        ("--validation-share", "1", "--validation-share: expected less than 1, found 1.0"),
    ],
)
def test_splits_that_cannot_be(
    flag: str,
    value: str,
    sentence: str,
    shared_picture: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sites", "--data", str(shared_picture), "--check", flag, value]) == 2
    assert sentence in capsys.readouterr().err
    assert main(["sites", "--data", str(shared_picture), "--seed", "1"]) == 2
    assert "--seed: expected --check, which looks at splits" in capsys.readouterr().err


def test_the_status_says_whether_a_check_found_something(
    shared_picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shared_picture / "3.png").unlink()
    rows = (shared_picture / "manifest.csv").read_text().splitlines()
    (shared_picture / "manifest.csv").write_text("\n".join(rows[:-1]))
    check = ["sites", "--data", str(shared_picture), "--check"]
    assert main(check) == 0
    (shared_picture / "2.png").write_text("no image")
    assert main(check) == 1
    assert "problem: " in capsys.readouterr().out
    assert main(check[:-1]) == 0
