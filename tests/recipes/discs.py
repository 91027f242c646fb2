"""Sites of one's own, as small as they can be: discs on noise."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image


def manifest(folder: Path, sites: int = 3, patients: int = 4) -> Path:
    """Write a few discs on noise, from several sites."""
    draw = np.random.default_rng(0)
    rows = []
    for site in range(sites):
        for patient in range(patients):
            name = f"{site}-{patient}"
            y, x = np.mgrid[:40, :48]
            disc = (y - draw.integers(10, 30)) ** 2 + (x - draw.integers(10, 38)) ** 2 < 64
            image = draw.integers(0, 120, (40, 48, 3)) + 120 * disc[..., None]
            Image.fromarray(image.astype(np.uint8)).save(folder / f"{name}.png")
            Image.fromarray(disc.astype(np.uint8) * 255).save(folder / f"{name}_mask.png")
            rows.append([f"{name}.png", f"{name}_mask.png", f"site{site}", f"p{patient}", "polyp"])
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "mask", "site", "group", "class"], *rows])
    return folder / "manifest.csv"
