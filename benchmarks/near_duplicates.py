"""How often the detector of near-duplicates is right, on a folder of one's own images.

    python -m benchmarks.near_duplicates FOLDER

Every fourth image is stored again in several ways, and each copy is looked up by its original; all
different images are compared with one another. What is found among those is listed, to be looked
at: a folder may hold real duplicates. Draws are seeded; one thread; the time of an image is the
median.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deconfound.data import image_files, near_duplicates, read_image
from deconfound.data.duplicates import BITS, MAX_DISTANCE, fingerprint

Pixels = NDArray[np.uint8]
DRAW = np.random.default_rng(0)


def resized(image: Pixels, side: int = 128) -> Pixels:
    """Stretch to a square."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def recompressed(image: Pixels, quality: int = 60) -> Pixels:
    """Store as JPEG and read again."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def cropped(image: Pixels, least: float, most: float) -> Pixels:
    """Cut a random share off each of the two sides, at a random place."""
    height, width = image.shape[:2]
    inner_h, inner_w = (round(side * (1 - DRAW.uniform(least, most))) for side in (height, width))
    top, left = DRAW.integers(height - inner_h + 1), DRAW.integers(width - inner_w + 1)
    return image[top : top + inner_h, left : left + inner_w]


COPIES: dict[str, Callable[[Pixels], Pixels]] = {
    "resized to 128": resized,
    "JPEG, quality 60": recompressed,
    "5-10 % cropped": lambda image: cropped(image, 0.05, 0.10),
    "5-10 % cropped, resized, JPEG": lambda image: recompressed(
        resized(cropped(image, 0.05, 0.10))
    ),
    "10-15 % cropped": lambda image: cropped(image, 0.10, 0.15),
    "15-20 % cropped": lambda image: cropped(image, 0.15, 0.20),
}


def main() -> None:
    """Measure, and print JSON."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("folder", type=Path)
    files = image_files(flags.parse_args().folder)
    prints, seconds = [], []
    recall: dict[str, list[bool]] = {name: [] for name in COPIES}
    for number, file in enumerate(files):
        start = time.perf_counter()
        image = read_image(file)
        prints.append(fingerprint(image))
        seconds.append(time.perf_counter() - start)
        if number % 4 == 0:
            for name, copy in COPIES.items():
                pair = np.stack([prints[-1], fingerprint(copy(image))])
                recall[name].append(bool(near_duplicates(pair)))
    start = time.perf_counter()
    found = near_duplicates(np.stack(prints), MAX_DISTANCE + 12)
    result = {
        "images": len(files),
        "bits": BITS,
        "max_distance": MAX_DISTANCE,
        "ms_per_image": round(1000 * statistics.median(seconds), 1),
        "s_comparing": round(time.perf_counter() - start, 1),
        "found_of_copies": {name: round(np.mean(hits).item(), 3) for name, hits in recall.items()},
        "copies_of_each_kind": len(recall["resized to 128"]),
        "pairs": len(files) * (len(files) - 1) // 2,
        "pairs_found": sum(pair.distance <= MAX_DISTANCE for pair in found),
        "pairs_near_the_threshold": sum(pair.distance > MAX_DISTANCE for pair in found),
        "found": [
            [files[pair.first].name, files[pair.second].name, pair.distance] for pair in found
        ],
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
