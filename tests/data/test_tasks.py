"""Every reader in both tasks: lesion against background, and which lesion."""

from __future__ import annotations

from pathlib import Path

import pytest

from deconfound.errors import DataError
from deconfound.packs import PromptPack
from recipes.endoscopy_mcdrl.cohort import _stored
from recipes.endoscopy_mcdrl.config import RecipeConfig
from recipes.endoscopy_mcdrl.readers import discover
from tests.data.drawing import blob, draw
from tests.data.test_bm_broncholc import PATIENTS, _release
from tests.data.test_more_readers import _polypgen
from tests.data.test_readers import _kvasir, _vocalfolds


def _bm_broncholc(folder: Path) -> None:
    _release(folder)
    for frame in ("v3/i3", "v4/i4"):  # of several classes, of none that the pack has
        for patient in PATIENTS:
            for image in folder.glob(f"*/imgs/{patient}/{frame}.png"):
                image.unlink()


def _laryngoscope8(folder: Path) -> None:
    _labelled(folder, "Cyst", "Normal")


def _leukoplakia(folder: Path) -> None:
    _labelled(folder.with_name("Laryngoscope8"), "Leukoplakia")


def _labelled(folder: Path, *names: str) -> None:
    for name in names:
        draw(folder / f"{name}.png")
        draw(folder / f"masks/{name}.png", blob(0 if name == "Normal" else 1))
    rows = [f"{name}.png,masks/{name}.png,{name}" for name in names]
    (folder / "manifest.csv").write_text("\n".join(["image,mask,class", *rows]))


def _classes(folder: Path) -> None:
    draw(folder / "a.png")
    draw(folder / "mask.png", blob(4))
    (folder / "manifest.csv").write_text("image,mask,site\na.png,mask.png,north\n")


def _classes_and_names(folder: Path) -> None:
    draw(folder / "a.png")
    draw(folder / "mask.png", blob(4))
    (folder / "manifest.csv").write_text("image,mask,site,class\na.png,mask.png,north,cyst\n")


NOT_ASKED = "multi-class training needs the lesion's class, found none; name it"

# What a site's masks hold, in the order of its samples: lesion or not, and which lesion.
LAYOUTS = {
    "Kvasir-SEG": (_kvasir, [{0, 1}, {0, 1}], [{0, 1}, {0, 1}]),
    "PolypGen": (_polypgen, [{0}, {0, 1}], [{0}, {0, 1}]),
    "BM-BronchoLC": (_bm_broncholc, [{0, 1}, {0, 1}, {0}, {0}], [{0, 2}, {0, 3}, {0}, {0}]),
    "Laryngoscope8": (_laryngoscope8, [{0, 1}, {0}], [{0, 5}, {0}]),
    "a class that the pack lacks": (_leukoplakia, [{0, 1}], NOT_ASKED),
    "vocalfolds": (_vocalfolds, [{0, 1}, {0, 1}], NOT_ASKED),
    "mine, named": (_classes_and_names, [{0, 1}], [{0, 5}]),
    "mine": (_classes, "expected a binary mask", [{0, 4}]),
}


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_mask_is_what_its_reader_says(tmp_path: Path, name: str, task: str) -> None:
    write, *expected = LAYOUTS[name]
    values = expected[task == "multiclass"]
    write(tmp_path / name)
    site, *_ = discover(tmp_path)

    def held() -> list[set[int]]:
        images = _stored(
            site.samples, RecipeConfig(task=task), PromptPack.load("endoscopy"), [site.name]
        )
        return [set(item["mask"].unique().tolist()) for item in images]

    if isinstance(values, str):
        with pytest.raises(DataError, match=values):
            held()
    else:
        assert held() == values
