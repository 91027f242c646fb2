"""PolypGen's six hospitals, and Laryngoscope8 with one's own masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deconfound.data import read_pair
from deconfound.errors import DataError
from recipes.endoscopy_mcdrl.readers import discover, laryngoscope8, survey
from tests.data.drawing import SIZE, blob, draw


def _polypgen(folder: Path) -> Path:
    for number in range(1, 7):
        centre = folder / f"data_C{number}"
        for name in ("12", "100H0003"):
            draw(centre / f"images_C{number}/{name}.jpg")
            lesion = blob(0 if name == "12" else 255)
            draw(centre / f"masks_C{number}/{name}_mask.jpg", np.stack([lesion] * 3, axis=2))
        (centre / f"bbox_C{number}").mkdir()
    draw(folder / "sequenceData/positive/seq1/images_seq1/1.jpg")
    return folder


@pytest.mark.parametrize("place", ["PolypGen", "a/PolypGen2021_MultiCenterData_v3"])
def test_polypgen_is_six_sites(tmp_path: Path, place: str) -> None:
    _polypgen(tmp_path / place)
    sites = discover(tmp_path)
    assert [site.name for site in sites] == [f"PolypGen-C{number}" for number in range(1, 7)]
    for site in sites:
        assert not site.problems
        assert {s.site for s in site.samples} == {site.name}
        shares = {s.image.stem: read_pair(s)[1].mean() for s in site.samples}
        assert shares == {"12": 0.0, "100H0003": 0.25}
        assert {(s.class_name, s.group) for s in site.samples} == {("polyp", None)}


def test_polypgen_s_hospitals_alone(tmp_path: Path) -> None:
    _polypgen(tmp_path)
    (site,) = discover(tmp_path / "data_C4")
    assert (site.name, len(site.samples)) == ("PolypGen-C4", 2)
    (tmp_path / "data_C4/masks_C4/12_mask.jpg").unlink()
    (problem,) = discover(tmp_path)[3].problems
    assert "data_C4/images_C4/12.jpg: the mask is missing" in problem


def _laryngoscope8(folder: Path) -> Path:
    for name in ("Cyst/1.jpg", "Glottic cancer/2.jpg", "Granuloma/3.jpg", "Normal/4.jpg"):
        draw(folder / name)
    return folder


def test_laryngoscope8_as_released_has_no_masks(tmp_path: Path) -> None:
    root = tmp_path / "data"  # the test's own folder is named after the dataset, too
    folder = _laryngoscope8(root / "Laryngoscope8")
    words = (
        "Laryngoscope8 was released without masks; put a manifest.csv with the columns "
        "image, mask[, group][, class] of your own masks into it"
    )
    for place in (folder, root):
        with pytest.raises(DataError) as caught:
            discover(place)
        assert str(caught.value) == f"{folder}: {words}"
    _polypgen(root / "PolypGen")
    found = survey(root)
    assert len(found.sites) == 6
    assert found.ignored == ((folder, words),)


def test_laryngoscope8_with_masks_of_one_s_own(tmp_path: Path) -> None:
    folder = _laryngoscope8(tmp_path / "laryngoscope_8")
    rows = ["image,mask,group,class"]
    for number, image in enumerate(sorted(folder.glob("*/*.jpg"))):
        draw(folder / f"masks/{image.stem}.png", blob(255 if number < 3 else 0, SIZE))
        rows.append(
            f"{image.relative_to(folder).as_posix()},masks/{image.stem}.png,"
            f"p{number // 2},{image.parent.name}"
        )
    (folder / "manifest.csv").write_text("\n".join(rows))
    (site,) = discover(tmp_path)
    assert site.name == "Laryngoscope8"
    assert [s.class_name for s in site.samples] == ["cyst", "tumor", None, None]
    assert [s.group for s in site.samples] == ["p0", "p0", "p1", "p1"]
    assert site.notes == ("masks are those of the manifest",)
    assert [bool(read_pair(s)[1].any()) for s in site.samples] == [True, True, True, False]


def test_laryngoscope8_s_names_become_the_pack_s(tmp_path: Path) -> None:
    pack = {"polyp", "tumor", "inflammation", "nodule", "cyst"}
    assert {of for of in laryngoscope8.CLASSES.values() if of} <= pack
    folder = _laryngoscope8(tmp_path / "Laryngoscope8")
    draw(folder / "m.png", blob())
    (folder / "manifest.csv").write_text("image,mask,class\nCyst/1.jpg,m.png,inflammation\n")
    assert discover(folder)[0].samples[0].class_name == "inflammation"
    (folder / "manifest.csv").write_text("picture,mask\n")
    with pytest.raises(DataError, match="'image' is missing"):
        discover(folder)
