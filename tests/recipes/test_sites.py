"""``sites --check``: what crosses from one part of the data into another, said to people and to
programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipes.endoscopy_mcdrl.__main__ import main


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
    assert main(["sites", "--data", str(shared_picture), "--check", "--json"]) == 0
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
    assert main(["sites", "--data", str(shared_picture), "--check"]) == 0
    said = capsys.readouterr().out
    for words in (
        "near-duplicates among 4 images: 0 pairs within a group",
        "1 between sites",
        "default split (validation share 0.15, seed 0)",
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
