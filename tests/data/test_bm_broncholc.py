"""BM-BronchoLC in the layout of its release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deconfound.data import read_pair
from recipes.endoscopy_mcdrl.readers import bm_broncholc, discover
from tests.data.drawing import draw

PATIENTS = ("0b6e0e4e-2b2c", "4d2f4f7c-9a10", "77aa01c3-5e21")
LABELS = {
    "l-tumor": "Tumor",
    "l-erythema": "Muscosal erythema",
    "l-edema": "Mucosal edema of carina",
    "l-stenosis": "Stenosis",
    "l-carina": "Main carina",
}
SQUARE = [(2, 2), (5, 2), (5, 5), (2, 5)]
STRIP = [(8, 1), (9, 1), (9, 3), (8, 3)]


def _outline(image: str, points: list[tuple[float, float]], *labels: str) -> dict[str, Any]:
    data = [{"x": x, "y": y} for x, y in points]
    return {"object_id": image, "label_ids": list(labels), "data": data}


# folder, patient, video, image → outlines; the release names all but the folder by uuid
FRAMES: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {
    ("Lung_cancer", PATIENTS[0], "v1", "i1"): [
        _outline("i1", SQUARE, "l-tumor"),
        _outline("i1", STRIP, "l-tumor"),
    ],
    ("Lung_cancer", PATIENTS[0], "v2", "i2"): [_outline("i2", SQUARE, "l-erythema")],
    ("Lung_cancer", PATIENTS[1], "v3", "i3"): [
        _outline("i3", SQUARE, "l-erythema"),
        _outline("i3", STRIP, "l-tumor"),
    ],
    ("Non_lung_cancer", PATIENTS[2], "v4", "i4"): [_outline("i4", STRIP, "l-stenosis")],
    ("Non_lung_cancer", PATIENTS[2], "v4", "i5"): [_outline("i5", SQUARE, "l-carina")],
    ("Non_lung_cancer", PATIENTS[2], "v4", "i6"): [],
}


def _release(folder: Path, annotation: str = "annotation.json", beside: bool = False) -> Path:
    outlines: dict[str, list[dict[str, Any]]] = {"Lung_cancer": [], "Non_lung_cancer": []}
    for (part, patient, video, image), drawn in FRAMES.items():
        draw(folder / part / "imgs" / patient / video / f"{image}.png")
        outlines[part] += drawn
    labels = json.dumps([{"id": key, "name": name} for key, name in LABELS.items()])
    for part, drawn in outlines.items():
        (folder / part / "objects.json").write_text(json.dumps(_objects(part)))
        if not beside:
            (folder / part / annotation).write_text(json.dumps(drawn))
            (folder / part / "labels.json").write_text(labels)
    if beside:
        (folder / annotation).write_text(
            json.dumps([*outlines["Lung_cancer"], *outlines["Non_lung_cancer"]])
        )
        (folder / "labels.json").write_text(labels)
    return folder


def _objects(part: str) -> list[dict[str, Any]]:
    return [
        {"id": patient, "videos": [{"video_id": video, "images": [{"image_id": image}]}]}
        for of, patient, video, image in FRAMES
        if of == part
    ]


def _filled(*rectangles: list[tuple[int, int]]) -> np.ndarray:
    mask = np.zeros((16, 20), np.uint8)
    for rectangle in rectangles:
        (left, top), (right, bottom) = rectangle[0], rectangle[2]
        mask[top : bottom + 1, left : right + 1] = 1
    return mask


@pytest.mark.parametrize("annotation", ["annotation.json", "annotations.json"])
@pytest.mark.parametrize("beside", [False, True])
def test_as_released(tmp_path: Path, annotation: str, beside: bool) -> None:
    _release(tmp_path / "BM-BronchoLC", annotation, beside)
    (site,) = discover(tmp_path)
    assert site.name == "BM-BronchoLC"
    assert not site.problems
    found = {s.image.stem: (s.group, s.class_name) for s in site.samples}
    assert found == {
        "i1": (PATIENTS[0], "tumor"),
        "i2": (PATIENTS[0], "inflammation"),
        "i3": (PATIENTS[1], None),
        "i4": (PATIENTS[2], None),
        "i5": (PATIENTS[2], None),
        "i6": (PATIENTS[2], None),
    }
    masks = {s.image.stem: read_pair(s)[1] for s in site.samples}
    expected = {
        "i1": _filled(SQUARE, STRIP),
        "i2": _filled(SQUARE),
        "i3": _filled(SQUARE, STRIP),
        "i4": _filled(STRIP),
        "i5": _filled(),
        "i6": _filled(),
    }
    for name, mask in expected.items():
        np.testing.assert_array_equal(masks[name], mask, err_msg=name)
    for note in (
        "2 frames without a lesion's outline are lesion-free",
        "lesions without a class of their own: Stenosis 1",
        "1 frames with lesions of several classes: class unknown",
        "labels that are no lesion: Main carina 1",
    ):
        assert note in site.notes
    assert len(site.notes) == 4


def test_every_lesion_of_the_release_has_a_word() -> None:
    released = (
        "Mucosal infiltration",
        "Mucosal edema of carina",
        "Vascular growth",
        "Muscosal erythema",
        "Tumor",
        "Anthrocosis",
        "Stenosis",
    )
    assert set(released) <= set(bm_broncholc.LESIONS)
    pack = {"polyp", "tumor", "inflammation", "nodule", "cyst"}
    assert {of for of in bm_broncholc.LESIONS.values() if of} <= pack


def test_copies_with_blue_first(tmp_path: Path) -> None:
    _release(tmp_path / "plain")
    _release(tmp_path / "BM-BronchoLC_BGR")
    rgb, bgr = (discover(tmp_path / name)[0] for name in ("plain", "BM-BronchoLC_BGR"))
    assert "channels are read as blue, green, red" in bgr.notes
    for one, two in zip(rgb.samples, bgr.samples, strict=True):
        np.testing.assert_array_equal(read_pair(one)[0], read_pair(two)[0][..., ::-1])


def test_one_of_the_two_folders_is_enough(tmp_path: Path) -> None:
    _release(tmp_path)
    (tmp_path / "Lung_cancer").rename(tmp_path.parent / f"{tmp_path.name}-away")
    (site,) = discover(tmp_path)
    assert [s.image.stem for s in site.samples] == ["i4", "i5", "i6"]


def _change(path: Path, **values: Any) -> None:
    entries = json.loads(path.read_text())
    entries[0].update(values)
    path.write_text(json.dumps(entries))


def test_what_is_wrong_with_one_image_is_a_problem_of_that_image(tmp_path: Path) -> None:
    source = _release(tmp_path) / "Lung_cancer/annotation.json"
    _change(source, label_ids=["l-nobody"])
    (site,) = discover(tmp_path)
    (problem,) = site.problems
    assert "i1.png: expected labels that labels.json names, found l-nobody" in problem
    assert "i1" not in {s.image.stem for s in site.samples}
    _change(source, label_ids=["l-tumor"], data=[{"x": 1, "y": 2}])
    (problem,) = discover(tmp_path)[0].problems
    assert "i1.png: expected three points or more, found 1" in problem
    _change(source, object_id="gone", data=[{"x": x, "y": y} for x, y in SQUARE])
    assert "1 annotated images are not in the folder" in discover(tmp_path)[0].notes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Invalid JSON"),
        ('{"a": 1}', "valid array"),
        ('[{"object_id": "i1", "label_ids": []}]', "0 → data: Field required"),
        ('[{"object_id": "i1", "label_ids": [], "data": [{"x": NaN, "y": 0}]}]', "finite number"),
    ],
)
def test_annotations_that_cannot_be_read(tmp_path: Path, text: str, words: str) -> None:
    path = _release(tmp_path) / "Non_lung_cancer/annotation.json"
    path.write_text(text)
    (site,) = discover(tmp_path)
    (problem,) = site.problems
    assert problem.startswith(f"{path}: expected the released form")
    assert words in problem
    assert "\n" not in problem
    assert {s.image.stem for s in site.samples} == {"i1", "i2", "i3"}


def test_annotations_that_are_not_there(tmp_path: Path) -> None:
    _release(tmp_path)
    (tmp_path / "Lung_cancer/annotation.json").unlink()
    (problem,) = discover(tmp_path)[0].problems
    assert "Lung_cancer: expected annotation.json in it or beside it, found none" in problem
