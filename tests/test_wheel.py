"""A wheel, installed in an empty folder: it finds its packs and starts its recipes."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The wheel's content, as an installer lays it out."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out / "site")
    return out / "site"


def run(site: Path, *words: str) -> str:
    (site.parent / "empty").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=site.parent / "empty",
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_nothing_but_the_package_lies_at_the_top(site: Path) -> None:
    names = sorted(path.name for path in site.iterdir())
    assert [name.partition("-")[0] for name in names] == ["deconfound", "deconfound"]
    assert names[1].endswith(".dist-info")


def test_packs_and_the_bundled_model_are_found(site: Path) -> None:
    assert str(site) in run(site, "-m", "deconfound.cli", "packs")
    code = "from deconfound import vlm; print(vlm.load('mini').tower.embed_dim)"
    assert int(run(site, "-c", code)) > 0


def test_the_recipe_starts(site: Path) -> None:
    shown = run(site, "-m", "deconfound.recipes.endoscopy_mcdrl", "--help")
    assert "python -m deconfound.recipes.endoscopy_mcdrl COMMAND" in shown
    assert "python -m deconfound.recipes.endoscopy_mcdrl train" in " ".join(
        run(site, "-m", "deconfound", "--help").split()
    )
    assert "--holdout" in run(site, "-m", "deconfound.recipes.endoscopy_mcdrl", "train", "--help")
