"""Image and mask files to arrays, or one sentence about why not."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from deconfound.data.masks import MaskRule
from deconfound.data.polygons import PolygonMask
from deconfound.data.samples import ChannelOrder, Sample
from deconfound.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")

_COLOUR = 32  # channels of a grey JPEG differ by less than this
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error)


def read_image(path: Path, channel_order: ChannelOrder = "rgb") -> NDArray[np.uint8]:
    """Read a picture as RGB.

    The camera's EXIF orientation is applied; grey and palette images become RGB; transparent
    pixels become black.

    Args:
        path: PNG, JPEG, TIFF or BMP with 8 bits a channel.
        channel_order: what the file holds; "bgr" is turned round.

    Returns:
        (H, W, 3) uint8.

    Raises:
        DataError: missing, unreadable or truncated; several pages; CMYK; or more than 8 bits in
            one channel, where the range is not known and a guess would change the lighting.
    """
    image = _decode(path)
    if image.mode not in ("RGB", "L", "P", "1", "RGBA", "LA", "PA"):
        raise DataError(
            f"{path}: expected an image with 8 bits a channel in RGB or grey, found mode "
            f"{image.mode}; convert it first"
        )
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    pixels = np.array(image.convert("RGB"))
    return pixels if channel_order == "rgb" else np.ascontiguousarray(pixels[..., ::-1])


def read_mask(path: Path, rule: MaskRule) -> NDArray[np.uint8]:
    """Read a mask under a rule.

    Args:
        path: a picture with one channel, or three equal ones.
        rule: what its values mean.

    Returns:
        (H, W) uint8 of class indices.

    Raises:
        DataError: missing, unreadable, truncated, in colour, or with values the rule does not know.
    """
    return rule(read_values(path, rule), path)


def read_values(path: Path, rule: MaskRule) -> NDArray[np.integer]:
    """Read the values of a mask file, before the rule says what they mean.

    Args:
        path: a picture with one channel, or three equal ones.
        rule: says whether a palette stands for its colours or for its indices.

    Returns:
        (H, W), whole numbers.

    Raises:
        DataError: missing, unreadable, truncated, or in colour.
    """
    return _values(_decode(path), path, rule.brightness)


def read_pair(sample: Sample) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read an image with its mask.

    Args:
        sample: names the files and the rule.

    Returns:
        (H, W, 3) and (H, W), uint8.

    Raises:
        DataError: either cannot be read, or their sizes differ.
    """
    image = read_image(sample.image, sample.channel_order)
    if isinstance(sample.mask_rule, PolygonMask):
        return image, sample.mask_rule(image[..., 0], sample.mask)
    mask = read_mask(sample.mask, sample.mask_rule)
    if image.shape[:2] != mask.shape:
        raise DataError(
            f"{sample.mask}: expected the size of its image, {_size(image)}, found {_size(mask)}; "
            f"check that it belongs to {sample.image.name}"
        )
    return image, mask


def _size(array: NDArray[np.uint8]) -> str:
    return f"{array.shape[1]}×{array.shape[0]}"


def _decode(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            pages = getattr(image, "n_frames", 1)
            if pages > 1 and image.format != "MPO":  # MPO: a phone's JPEG with a preview
                raise DataError(
                    f"{path}: expected one picture, found {pages} pages; split the file"
                )
            image.load()
            return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise DataError(f"{path}: expected an image file, found nothing; check the path") from None
    except UnidentifiedImageError:
        raise DataError(
            f"{path}: expected an image, found a file that no image format knows; replace it"
        ) from None
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: refused as too large to decode safely ({error})") from error
    except DataError:
        raise
    except _UNREADABLE as error:
        raise DataError(f"{path}: the image cannot be read ({error}); replace the file") from error


def _values(image: Image.Image, path: Path, brightness: bool) -> NDArray[np.integer]:
    """The one channel of a mask."""
    if image.mode in ("RGBA", "LA"):
        image = image.convert(image.mode.removesuffix("A"))
    if image.mode == "P" and brightness:
        image = image.convert("RGB")
    if image.mode == "RGB":
        return _grey(np.array(image), path)
    if image.mode == "1":
        return np.array(image).astype(np.uint8)
    values = np.array(image)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.integer):
        raise DataError(
            f"{path}: expected a mask with one channel of whole numbers, found mode {image.mode}; "
            f"convert it first"
        )
    return values


def _grey(values: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    spread = values.max(axis=2).astype(int) - values.min(axis=2)
    if (spread > _COLOUR).any():
        raise DataError(
            f"{path}: expected a mask in grey, found colours; save one channel of class indices"
        )
    return np.sort(values, axis=2)[..., 1]
