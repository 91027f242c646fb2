"""A manifest is a source like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from deconfound.data import ClassMask, FolderDataset, read_manifest
from deconfound.errors import DataError
from tests.data.drawing import blob, draw


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        draw(tmp_path / f"images/{name}.png")
        draw(tmp_path / f"masks/{name}.png", blob())
    return tmp_path


def _write(folder: Path, text: str) -> Path:
    path = folder / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_relative_and_empty_cells_are_unknown(folder: Path) -> None:
    path = _write(
        folder,
        "site,class,image,mask,group,age\n"
        "north,polyp,images/a.png,masks/a.png,p1,61\n"
        "south,,images/b.png,masks/b.png,,\n"
        "\n"
        "north , cyst,images/c.png,masks/c.png,p2,\n",
    )
    north, south = read_manifest(path)
    assert [s.class_name for s in north.samples] == ["polyp", "cyst"]
    assert [s.group for s in north.samples] == ["p1", "p2"]
    assert south.samples[0].group is south.samples[0].class_name is None
    assert south.samples[0].image == folder / "images/b.png"
    assert north.notes == ("columns not used: age",)
    assert not north.problems


@pytest.mark.parametrize("multiclass", [True, False])
def test_masks_drawn_for_several_classes_may_stand_beside_their_names(
    folder: Path, multiclass: bool
) -> None:
    draw(folder / "masks/a.png", 3 * blob())
    path = _write(folder, "image,mask,site,class\nimages/a.png,masks/a.png,north,cyst\n")
    (site,) = read_manifest(path)
    (item,) = FolderDataset(site.samples, 32, ("polyp", "cyst"), multiclass=multiclass)
    assert item["mask"].unique().tolist() == [0, 2 if multiclass else 1]


@pytest.mark.parametrize("prefix", ["", "\ufeff"])
@pytest.mark.parametrize("mark", [",", ";"])
def test_spreadsheets_write_it_too(folder: Path, prefix: str, mark: str) -> None:
    rows = ["image,mask,site", "images/a.png,masks/a.png,north"]
    path = _write(folder, prefix + "\r\n".join(rows).replace(",", mark))
    (site,) = read_manifest(path, ClassMask(5))
    assert site.samples[0].mask_rule == ClassMask(5)


def test_missing_files_become_problems_of_their_site(folder: Path) -> None:
    path = _write(
        folder,
        "image,mask,site\nimages/a.png,masks/x.png,north\nimages/b.png,masks/b.png,north\n"
        "images/y.png,masks/c.png,south\n",
    )
    north, south = read_manifest(path)
    assert len(north.samples) == 1
    assert north.problems == (
        f"{path}, line 2: {folder}/masks/x.png is missing; add it or remove the line",
    )
    assert not south.samples
    assert "line 4" in south.problems[0]


def test_quoted_commas_windows_paths_and_paths_elsewhere(folder: Path, tmp_path: Path) -> None:
    draw(folder / "images/a, again.png")
    away = draw(tmp_path.parent / f"{tmp_path.name}-away/d.png")
    path = folder / "lists/manifest.csv"
    path.parent.mkdir()
    path.write_bytes(
        "\ufeffimage,mask,site,group\r\n"
        '"../images/a, again.png",../masks/a.png,"north, wing 2",p1\r\n'
        "..\\images\\b.png,..\\masks\\b.png,south,\r\n"
        f"{away},../masks/c.png,south,\r\n".encode()
    )
    north, south = read_manifest(path)
    assert (north.name, north.samples[0].image.name) == ("north, wing 2", "a, again.png")
    assert [s.image.name for s in south.samples] == ["b.png", "d.png"]
    assert not north.problems + south.problems


def test_a_site_for_every_line_that_names_none(folder: Path) -> None:
    path = _write(folder, "image,mask\nimages/a.png,masks/a.png\n")
    assert [site.name for site in read_manifest(path, site="mine")] == ["mine"]
    text = "image,mask,site\nimages/a.png,masks/a.png,\nimages/b.png,masks/b.png,theirs\n"
    assert [s.name for s in read_manifest(_write(folder, text), site="mine")] == ["mine", "theirs"]


BAD = [
    (
        "image,mask,site\nimages/a.png,masks/a.png,n\nimages/../images/a.png,masks/b.png,n\n",
        "line 3: a.png is already on line 2",
    ),
    ("image,mask,site\nimages/a.png,masks/a.png,n,p\n", "line 2: expected 3 cells, found 4"),
    (
        "",
        "line 1: expected the columns image, mask, site, found none; 'image' is missing: add it to "
        "every line",
    ),
    ("imge,mask,site\n", "found imge, mask, site; 'image' is missing: rename 'imge' if it is that"),
    ("image,mask\n", "found image, mask; 'site' is missing: add it to every line"),
    ("image,mask,site,mask\n", "the column 'mask' appears twice"),
    ("image,mask,site\n", "expected a line for every image, found none"),
    ("image,mask,site\nimages/a.png,masks/a.png\n", "line 2: 'site' is empty"),
    ("image,mask,site\n,masks/a.png,north\n", "line 2: 'image' is empty"),
    (
        "image,mask,site\nimages/a.png,masks/a.png,n\nimages/a.png,masks/b.png,n\n",
        "line 3: a.png is already on line 2",
    ),
]


@pytest.mark.parametrize(("text", "words"), BAD)
def test_refusals(folder: Path, text: str, words: str) -> None:
    path = _write(folder, text)
    with pytest.raises(DataError) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)


def test_unreadable_manifests(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_manifest(tmp_path / "absent.csv")
    (tmp_path / "latin.csv").write_bytes("image,mask,site\nä,b,c".encode("latin-1"))
    with pytest.raises(DataError, match="save it as UTF-8"):
        read_manifest(tmp_path / "latin.csv")
    (tmp_path / "long.csv").write_text("image,mask,site\n" + "a" * 200_000 + ",b,c")
    with pytest.raises(DataError, match="field larger than field limit"):
        read_manifest(tmp_path / "long.csv")
