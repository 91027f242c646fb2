"""Pictures are read as RGB, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deconfound.data import BinaryMask, LabelMask, Sample, read_image, read_mask, read_pair
from deconfound.errors import DataError
from tests.data.drawing import blob, draw

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)


def test_channels_come_as_red_green_blue(tmp_path: Path) -> None:
    red = np.zeros((4, 5, 3), np.uint8)
    red[..., 0] = 200
    for suffix in ("png", "tif", "bmp"):
        np.testing.assert_array_equal(read_image(draw(tmp_path / f"a.{suffix}", red)), red)
    found = read_image(draw(tmp_path / "a.jpg", red))
    assert np.abs(found.astype(int) - red).max() < 8


def test_grey_and_palette_become_rgb(tmp_path: Path) -> None:
    three = np.stack([GREY] * 3, axis=2)
    np.testing.assert_array_equal(read_image(draw(tmp_path / "l.png", GREY)), three)
    palette = Image.fromarray(RGB).quantize(16)
    palette.save(tmp_path / "p.png")
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "p.png"), expected)
    Image.fromarray(GREY > 127).save(tmp_path / "one.png")
    assert set(np.unique(read_image(tmp_path / "one.png"))) == {0, 255}


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_are_black(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(RGB if mode == "RGBA" else GREY).convert(mode)
    alpha = np.full((6, 9), 255, np.uint8)
    alpha[:, :4] = 0
    image.putalpha(Image.fromarray(alpha))
    image.save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    assert not found[:, :4].any()
    expected = RGB if mode == "RGBA" else np.stack([GREY] * 3, axis=2)
    np.testing.assert_array_equal(found[:, 4:], expected[:, 4:])


def test_the_camera_s_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it upright
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.rot90(RGB, -1))


def _truncated(path: Path) -> None:
    draw(path, RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:-900])


def _pages(path: Path) -> None:
    page = Image.fromarray(RGB)
    page.save(path, format="TIFF", save_all=True, append_images=[page])


BAD: list[tuple[str, Callable[[Path], object], str]] = [
    ("absent.png", lambda path: None, "expected an image file, found nothing"),
    ("text.png", lambda path: path.write_text("hello"), "a file that no image format knows"),
    ("empty.jpg", lambda path: path.touch(), "a file that no image format knows"),
    ("cut.jpg", _truncated, "the image cannot be read"),
    ("cut.png", _truncated, "the image cannot be read"),
    ("cut.tif", _truncated, "the image cannot be read"),
    ("folder.png", lambda path: path.mkdir(), "the image cannot be read"),
    ("pages.tif", _pages, "expected one picture, found 2 pages"),
    (
        "deep.png",
        lambda p: Image.fromarray(GREY.astype(np.uint16) * 257).save(p),
        "found mode I;16",
    ),
    ("float.tif", lambda p: Image.fromarray(GREY.astype(np.float32)).save(p), "found mode F"),
    ("print.jpg", lambda p: Image.fromarray(RGB).convert("CMYK").save(p), "found mode CMYK"),
]


@pytest.mark.parametrize(("name", "make", "words"), BAD, ids=[name for name, _, _ in BAD])
def test_bad_images_get_one_sentence(
    tmp_path: Path, name: str, make: Callable[[Path], object], words: str
) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_large_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = draw(tmp_path / "a.png", RGB)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match="too large to decode safely"):
        read_image(path)


def test_a_mask_of_another_size(tmp_path: Path) -> None:
    image = draw(tmp_path / "a.png")
    mask = draw(tmp_path / "m.png", blob(size=(20, 15)))
    with pytest.raises(DataError, match=r"m\.png: expected .* 20×16, found 20×15; .* a\.png"):
        read_pair(Sample(image, mask, "s"))


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "P", "RGBA", "I;16", "LA"])
def test_a_binary_mask_is_the_same_in_every_mode(tmp_path: Path, mode: str) -> None:
    expected = blob(1)
    image = Image.fromarray(blob(255))
    if mode == "I;16":
        image = Image.fromarray(blob(1).astype(np.uint16) * 65535)
    elif mode != "L":
        image = image.convert(mode)
    image.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", BinaryMask()), expected)


def test_a_palette_means_colours_to_one_rule_and_labels_to_another(tmp_path: Path) -> None:
    labels = blob(1)
    image = Image.fromarray(labels).convert("P")
    image.putdata(labels.ravel().tolist())
    image.putpalette([255, 255, 255, 0, 0, 0])  # index 0 is white
    image.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", LabelMask((1,))), labels)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", BinaryMask()), 1 - labels)


def test_masks_in_colour_or_fractions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a mask in grey, found colours"):
        read_mask(draw(tmp_path / "c.png", RGB), BinaryMask())
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(DataError, match="one channel of whole numbers, found mode F"):
        read_mask(tmp_path / "f.tif", BinaryMask())
