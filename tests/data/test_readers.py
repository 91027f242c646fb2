"""Every dataset in every layout in which it was released."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deconfound.data import read_manifest, read_pair
from deconfound.errors import DataError
from recipes.endoscopy_mcdrl.readers import discover, survey
from recipes.endoscopy_mcdrl.readers.cvc_clinicdb import LAST_FRAMES
from tests.data.drawing import blob, draw

IDS = ("cju0qkwl35piu0993l0dewei2", "ck2395w2mb4vu07480otsu6tw")


def _kvasir(folder: Path, mask_suffix: str = "jpg") -> None:
    for name in IDS:
        draw(folder / f"images/{name}.jpg")
        mask = np.repeat(blob()[..., None], 3, axis=2) if mask_suffix == "jpg" else blob()
        draw(folder / f"masks/{name}.{mask_suffix}", mask)
    (folder / "kavsir_bboxes.json").write_text("{}")


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("place", [".", "Kvasir-SEG", "any/name"])
def test_kvasir(tmp_path: Path, suffix: str, place: str) -> None:
    _kvasir(tmp_path / place, suffix)
    (site,) = discover(tmp_path)
    assert site.name == "Kvasir-SEG"
    assert [s.image.stem for s in site.samples] == list(IDS)
    assert {(s.class_name, s.group) for s in site.samples} == {("polyp", None)}
    assert not site.problems
    for sample in site.samples:
        np.testing.assert_array_equal(read_pair(sample)[1], blob(1))


CVC = [
    ("Original", "Ground Truth", "tif"),
    ("original", "ground truth", "tiff"),
    ("Original", "Ground_Truth", "png"),
    ("PNG/Original", "PNG/Ground Truth", "png"),
    ("TIF/Original", "TIF/Ground Truth", "tif"),
]


@pytest.mark.parametrize(("frames", "masks", "suffix"), CVC)
def test_cvc_clinicdb(tmp_path: Path, frames: str, masks: str, suffix: str) -> None:
    numbers = (1, 25, 26, 612, 100)
    for number in numbers:
        draw(tmp_path / f"CVC-ClinicDB/{frames}/{number}.{suffix}")
        draw(tmp_path / f"CVC-ClinicDB/{masks}/{number}.{suffix}", blob())
    (site,) = discover(tmp_path)
    assert site.name == "CVC-ClinicDB"
    assert [(int(s.image.stem), s.group) for s in site.samples] == [
        (1, "seq01"),
        (25, "seq01"),
        (26, "seq02"),
        (100, "seq05"),
        (612, "seq29"),
    ]
    assert {s.class_name for s in site.samples} == {"polyp"}


def test_cvc_clinicdb_repackaged_with_png_preferred_and_metadata(tmp_path: Path) -> None:
    folder = tmp_path / "CVC-ClinicDB"
    for root in ("PNG", "TIF"):
        for number in (1, 2, 700):
            draw(folder / f"{root}/Original/{number}.{root.lower()}")
            draw(folder / f"{root}/Ground Truth/{number}.{root.lower()}", blob())
    (folder / "metadata.csv").write_text("frame_id,sequence_id,png_image_path\n1,1,a\n2,7,b\n")
    (site,) = discover(tmp_path)
    assert [(s.image.name, s.group) for s in site.samples] == [
        ("1.png", "seq01"),
        ("2.png", "seq07"),
    ]
    assert len(site.problems) == 1
    assert "700.png: expected a frame number from 1 to 612" in site.problems[0]
    (folder / "metadata.csv").write_text("frame_id,sequence_id\none,1\n")
    with pytest.raises(DataError, match=r"metadata\.csv: expected whole numbers"):
        discover(tmp_path)


def test_cvc_clinicdb_under_images_and_masks(tmp_path: Path) -> None:
    draw(tmp_path / "CVC-ClinicDB/images/60.png")
    draw(tmp_path / "CVC-ClinicDB/masks/60.png", blob())
    (site,) = discover(tmp_path)
    assert (site.name, site.samples[0].group) == ("CVC-ClinicDB", "seq03")


def test_there_are_29_sequences() -> None:
    assert len(LAST_FRAMES) == 29
    assert sorted(LAST_FRAMES) == list(LAST_FRAMES)


def test_etis_both_layouts(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        draw(tmp_path / f"one/laribs/{number}.tif")
        draw(tmp_path / f"one/laribs/Ground Truth/p{number}.tif", blob())
        draw(tmp_path / f"two/ETIS-LaribPolypDB/images/{number}.png")
        draw(tmp_path / f"two/ETIS-LaribPolypDB/masks/{number}.png", blob())
    for place in ("one", "two"):
        (site,) = discover(tmp_path / place)
        assert site.name == "ETIS-LaribPolypDB"
        assert [s.image.stem for s in site.samples] == ["1", "2", "10"]
        assert [s.mask.stem.removeprefix("p") for s in site.samples] == ["1", "2", "10"]
        assert not site.problems


def _vocalfolds(folder: Path) -> None:
    for sequence, names in {"patient1/seq1": ["0001", "0003"], "patient2/seq10": ["0001"]}.items():
        for name in names:
            draw(folder / f"img/{sequence}/{name}.png")
            labels = blob(4)
            labels[0] = 6
            draw(folder / f"annot/{sequence}/{name}.png", labels if name == "0001" else blob(3))


def test_vocalfolds_keeps_frames_with_a_pathology(tmp_path: Path) -> None:
    _vocalfolds(tmp_path / "vocalfolds")
    (site,) = discover(tmp_path)
    assert [s.group for s in site.samples] == ["patient1-seq1", "patient2-seq10"]
    assert {s.class_name for s in site.samples} == {None}
    assert site.notes == ("1 frames without a pathology are left out",)
    expected = blob(1)
    expected[0] = 0
    np.testing.assert_array_equal(read_pair(site.samples[0])[1], expected)


def test_vocalfolds_problems(tmp_path: Path) -> None:
    _vocalfolds(tmp_path)
    (tmp_path / "annot/patient2/seq10/0001.png").unlink()
    draw(tmp_path / "annot/patient1/seq1/0001.png", blob(9))
    (site,) = discover(tmp_path)
    assert not site.samples
    assert "img/patient2/seq10/0001.png: the mask is missing" in site.problems[0]
    assert "found also 9" in site.problems[1]


def test_a_manifest_speaks_for_its_folder(tmp_path: Path) -> None:
    _kvasir(tmp_path / "Kvasir-SEG")
    for name in "ab":
        draw(tmp_path / f"{name}.png")
        draw(tmp_path / f"{name}_m.png", blob())
    text = "image,mask,site\na.png,a_m.png,north\nb.png,b_m.png,south\n"
    (tmp_path / "manifest.csv").write_text(text)
    assert [site.name for site in discover(tmp_path)] == ["north", "south"]
    (tmp_path / "manifest.csv").rename(tmp_path / "mine.csv")
    assert [site.name for site in discover(tmp_path / "mine.csv")] == ["north", "south"]
    assert [site.name for site in discover(tmp_path)] == ["Kvasir-SEG"]


def test_missing_masks_and_orphans_are_problems(tmp_path: Path) -> None:
    _kvasir(tmp_path)
    (tmp_path / f"masks/{IDS[0]}.jpg").unlink()
    draw(tmp_path / "masks/stray.jpg")
    (site,) = discover(tmp_path)
    assert [s.image.stem for s in site.samples] == [IDS[1]]
    assert f"images/{IDS[0]}.jpg: the mask is missing" in site.problems[0]
    assert "masks/stray.jpg: a mask without an image" in site.problems[1]


def test_an_emptied_dataset_is_a_site_without_pairs(tmp_path: Path) -> None:
    (tmp_path / "Kvasir-SEG/images").mkdir(parents=True)
    (tmp_path / "Kvasir-SEG/masks").mkdir()
    (site,) = discover(tmp_path)
    with pytest.raises(
        DataError, match=r"site Kvasir-SEG: expected images with masks under .*found none"
    ):
        site.require_sound()


def test_strangers_are_ignored_with_a_word(tmp_path: Path) -> None:
    _kvasir(tmp_path / "Kvasir-SEG")
    draw(tmp_path / "lungs/montgomery/images/MCUCXR_0001_0.png")
    draw(tmp_path / "lungs/montgomery/masks/MCUCXR_0001_0.png", blob())
    draw(tmp_path / "Kvasir-Instrument/images/ck2kl9wed45ki0725k4hsxqwo.jpg")
    draw(tmp_path / "Kvasir-Instrument/masks/ck2kl9wed45ki0725k4hsxqwo.png", blob())
    draw(tmp_path / "CVC-ColonDB/images/1.png")
    draw(tmp_path / "CVC-ColonDB/masks/1.png", blob())
    draw(tmp_path / "kaggle_3m/TCGA_CS_4941/a_1.tif")
    (tmp_path / ".cache").mkdir()
    found = survey(tmp_path)
    assert [site.name for site in found.sites] == ["Kvasir-SEG"]
    ignored = {path.name: word for path, word in found.ignored}
    assert list(ignored) == ["CVC-ColonDB", "Kvasir-Instrument", "kaggle_3m", "lungs"]
    assert "no dataset known by its names; a manifest.csv" in ignored["lungs"]
    assert ignored["kaggle_3m"] == "no known layout; a manifest.csv makes it a site"


def test_nothing_known(tmp_path: Path) -> None:
    for place, words in ((tmp_path, "found no dataset"), (tmp_path / "absent", "found nothing")):
        with pytest.raises(DataError) as caught:
            discover(place)
        message = str(caught.value)
        assert message.startswith(f"{place}: ")
        assert words in message
        for name in ("Kvasir-SEG", "CVC-ClinicDB", "ETIS", "vocalfolds", "manifest.csv with"):
            assert name in message
        assert "\n" not in message


def test_one_site_in_two_folders_is_refused(tmp_path: Path) -> None:
    _kvasir(tmp_path / "compact/Kvasir-SEG")
    _kvasir(tmp_path / "native/Kvasir-SEG")
    with pytest.raises(DataError, match="holds Kvasir-SEG already; point at one of them"):
        discover(tmp_path)


def test_folders_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match=f"{tmp_path}: the folder cannot be listed"):
        discover(tmp_path)


def test_real_frames(real_data: Path) -> None:
    found = survey(real_data / "compact")
    count = {site.name: len(site.samples) for site in found.sites}
    assert count == {
        "CVC-ClinicDB": 612,
        "ETIS-LaribPolypDB": 30,
        "Kvasir-SEG": 1000,
        "vocalfolds": 58,
    }
    assert [path.name for path, _ in found.ignored] == ["chest_xray", "kaggle_3m"]
    assert not any(site.problems for site in found.sites)


def test_real_groups_are_those_of_the_manifest(real_data: Path) -> None:
    with (real_data / "manifest.csv").open(newline="") as file:
        known = {(real_data / row["image"]).resolve(): row["group"] for row in csv.DictReader(file)}
    for site in discover(real_data / "compact"):
        for sample in site.samples:
            assert (sample.group or "") == known[sample.image.resolve()]


def test_real_foreground_is_that_of_the_manifest(real_data: Path) -> None:
    with (real_data / "manifest.csv").open(newline="") as file:
        known = {(real_data / row["image"]).resolve(): row for row in csv.DictReader(file)}
    for place in ("compact", "native"):
        for site in discover(real_data / place):
            for sample in site.samples[:: max(1, len(site.samples) // 10)]:
                mask = read_pair(sample)[1]
                row = known[sample.image.resolve()]
                if site.name == "vocalfolds":  # the manifest counts every label
                    assert 0 < mask.mean() < 0.5
                    continue
                assert abs(mask.mean() - float(row["foreground_fraction"])) < 1e-3, sample


def test_real_manifest(real_data: Path) -> None:
    sites = {site.name: site for site in read_manifest(real_data / "manifest.csv")}
    assert len(sites["CVC-ClinicDB"].samples) == 612
    assert Counter(s.group for s in sites["CVC-ClinicDB"].samples)["seq10"] == 6
    assert not any(site.problems for site in sites.values())
    assert "foreground_fraction" in sites["Kvasir-SEG"].notes[0]
    with Image.open(sites["Kvasir-SEG"].samples[0].image) as image:
        assert image.size == (256, 256)
