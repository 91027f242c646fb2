"""BM-BronchoLC: bronchoscopy of 208 patients, lesions as polygons (figshare 24243670)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from deconfound.data import PolygonMask, Sample, image_files
from deconfound.data.channels import NOTE as TURNED
from deconfound.data.polygons import Polygon
from deconfound.data.samples import ChannelOrder, Site
from deconfound.errors import DataError

from .base import Reader, is_named, subfolder

NAME = "BM-BronchoLC"

# The lesions' names, as released (two of them misspelt there), and the pack's class of each; None
# is a lesion that the pack has no class for. Any other label is anatomy, and no lesion.
LESIONS: dict[str, str | None] = {
    "Tumor": "tumor",
    "Muscosal erythema": "inflammation",
    "Mucosal erythema": "inflammation",
    "Mucosal edema of carina": "inflammation",
    "Mucosal infiltration": "inflammation",
    "Vascular growth": None,
    "Stenosis": None,
    "Anthrocosis": None,
    "Anthracosis": None,
}
_CLASS_OF = {name.casefold(): of for name, of in LESIONS.items()}

T = TypeVar("T")
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Point(BaseModel):
    x: Finite
    y: Finite


class _Annotation(BaseModel):
    object_id: str
    label_ids: list[str]
    data: list[_Point]


class _Label(BaseModel):
    id: str
    name: str


@dataclass
class _Tally:
    """What becomes of the labels, for the notes."""

    clean: int = 0
    several: int = 0
    annotated: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    unmapped: Counter[str] = field(default_factory=Counter)
    anatomy: Counter[str] = field(default_factory=Counter)


def read(folder: Path) -> list[Site]:
    """Read ``{Lung_cancer,Non_lung_cancer}/imgs/<patient>/<video>/<image>.png``.

    The polygons of ``annotation.json`` (or ``annotations.json``) are filled and united when an
    image is read; ``labels.json`` names what they show. Both lie in each of the two folders, or
    once beside them. The patient is the group; ``objects.json`` repeats the folders and is not
    needed. An image without a lesion's outline is a lesion-free frame. Its class is the one class
    that all its lesions map to by `LESIONS`, and unknown otherwise. Where the folder's name
    contains "BGR", its files hold blue first: nothing in such a copy says so.

    Args:
        folder: any folder.
    """
    parts = [subfolder(folder, name) for name in ("Lung_cancer", "Non_lung_cancer")]
    places = [part for part in parts if part is not None and subfolder(part, "imgs")]
    if not places:
        return []
    order: ChannelOrder = "bgr" if is_named(folder, "bgr") else "rgb"
    samples: list[Sample] = []
    problems: list[str] = []
    tally = _Tally()
    for place in places:
        try:
            samples += _part(place, order, problems, tally)
        except DataError as error:
            problems.append(str(error))
    notes = _notes(tally, order)
    return [Site(NAME, tuple(samples), tuple(problems), notes, folder)]


def _part(place: Path, order: ChannelOrder, problems: list[str], tally: _Tally) -> list[Sample]:
    """The samples of one of the two folders."""
    source = _file(place, "annotation.json", "annotations.json")
    outlines = TypeAdapter(list[_Annotation])
    of_image: dict[str, list[_Annotation]] = {}
    for annotation in _load(source, outlines):
        of_image.setdefault(annotation.object_id, []).append(annotation)
    labels = _load(_file(place, "labels.json"), TypeAdapter(list[_Label]))
    names = {label.id: label.name.strip() for label in labels}
    samples = []
    for image in _images(place):
        tally.seen.add(image.stem)
        try:
            drawn, class_name = _lesions(of_image.get(image.stem, []), names, tally)
        except DataError as error:
            problems.append(f"{image}: {error} in {source}; correct it there or remove the image")
            continue
        patient, rule = image.parents[1].name, PolygonMask(drawn)
        samples.append(Sample(image, source, NAME, patient, class_name, rule, order))
    tally.annotated.update(of_image)
    return samples


def _images(place: Path) -> list[Path]:
    imgs = subfolder(place, "imgs")
    assert imgs is not None  # `read` has looked
    videos = sorted(path for path in imgs.glob("*/*") if path.is_dir())
    return [image for video in videos for image in image_files(video)]


def _lesions(
    annotations: list[_Annotation], names: dict[str, str], tally: _Tally
) -> tuple[tuple[Polygon, ...], str | None]:
    """Return the outlines of an image's lesions, and its class."""
    drawn: list[Polygon] = []
    found: list[str] = []
    for annotation in annotations:
        unknown = [label for label in annotation.label_ids if label not in names]
        if unknown:
            raise DataError(f"expected labels that labels.json names, found {unknown[0]}")
        called = [names[label] for label in annotation.label_ids]
        lesions = [name for name in called if name.casefold() in _CLASS_OF]
        tally.anatomy.update(name for name in called if name not in lesions)
        if not lesions:
            continue
        if len(annotation.data) < 3:
            raise DataError(f"expected three points or more, found {len(annotation.data)}")
        drawn.append(tuple((point.x, point.y) for point in annotation.data))
        found += lesions
    classes = {_CLASS_OF[name.casefold()] for name in found}
    tally.clean += not drawn
    tally.several += len(classes) > 1
    tally.unmapped.update(name for name in found if _CLASS_OF[name.casefold()] is None)
    return tuple(drawn), classes.pop() if len(classes) == 1 else None


def _notes(tally: _Tally, order: ChannelOrder) -> tuple[str, ...]:
    absent = len(tally.annotated - tally.seen)
    said = [
        (tally.clean, f"{tally.clean} frames without a lesion's outline are lesion-free"),
        (tally.unmapped, f"lesions without a class of their own: {_listed(tally.unmapped)}"),
        (tally.several, f"{tally.several} frames with lesions of several classes: class unknown"),
        (tally.anatomy, f"labels that are no lesion: {_listed(tally.anatomy)}"),
        (absent, f"{absent} annotated images are not in the folder"),
        (order == "bgr", TURNED),
    ]
    return tuple(sentence for true, sentence in said if true)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _file(place: Path, *names: str) -> Path:
    """The first of the named files in the folder or beside it."""
    for path in (parent / name for parent in (place, place.parent) for name in names):
        if path.is_file():
            return path
    raise DataError(f"{place}: expected {names[0]} in it or beside it, found none; add the file")


def _load(path: Path, shape: TypeAdapter[T]) -> T:
    try:
        return shape.validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}); check the file") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = " → ".join(map(str, first["loc"])) or "the file"
        raise DataError(
            f"{path}: expected the released form, found at {where}: {first['msg']}; "
            f"take the file from the release again"
        ) from error


READER = Reader(
    NAME,
    "BM-BronchoLC/{Lung_cancer,Non_lung_cancer}/imgs/<patient>/<video>/<image>.png with "
    "annotation.json and labels.json",
    read,
)
