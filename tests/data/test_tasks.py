"""Every reader in both tasks: lesion against background, and which lesion."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from deconfound.errors import DataError
from deconfound.packs import load_pack
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
    names = ("Cyst", "Leukoplakia", "Normal")
    for name in names:
        draw(folder / f"{name}.png")
        draw(folder / f"masks/{name}.png", blob(0 if name == "Normal" else 1))
    rows = [f"{name}.png,masks/{name}.png,{name}" for name in names]
    (folder / "manifest.csv").write_text("\n".join(["image,mask,class", *rows]))


def _classes(folder: Path) -> None:
    draw(folder / "a.png")
    draw(folder / "mask.png", blob(4))
    (folder / "manifest.csv").write_text("image,mask,site\na.png,mask.png,north\n")


# What a site's masks hold, in the order of its samples, where each is told its class.
LAYOUTS = {
    "Kvasir-SEG": (_kvasir, [{0, 1}, {0, 1}]),
    "PolypGen": (_polypgen, [{0}, {0, 1}]),
    "BM-BronchoLC": (_bm_broncholc, [{0, 2}, {0, 3}, {0}, {0}]),
    "Laryngoscope8": (_laryngoscope8, [{0, 5}, {0}]),
    "vocalfolds": (_vocalfolds, None),
    "mine": (_classes, [{0, 4}]),
}


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_mask_is_what_its_reader_says(tmp_path: Path, name: str, task: str) -> None:
    write, values = LAYOUTS[name]
    write(tmp_path / name)
    site, *_ = discover(tmp_path)
    config, pack = RecipeConfig(task=task), load_pack("endoscopy")
    if task == "binary":
        masks = [] if name == "mine" else _stored(site.samples, config, pack, [site.name])
        assert all(set(item["mask"].unique().tolist()) <= {0, 1} for item in masks)
    elif values is None:
        with pytest.raises(DataError, match="multi-class training needs the lesion's class"):
            _stored(site.samples, config, pack, [site.name])
    else:
        items = _stored(site.samples, config, pack, [site.name])
        assert [set(torch.unique(item["mask"]).tolist()) for item in items] == values
