"""Write a contact sheet: ``python -m deconfound.simulation --out contact-sheet.png --size 160``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from deconfound.errors import ConfigurationError, DeconfoundError
from deconfound.simulation import CLASSES, CONFOUNDERS, SITES, Scenes, render

LABEL = 84
"""Pixels for the names beside the rows."""


def class_rows(size: int, seed: int) -> list[tuple[str, Tensor]]:
    """Render healthy mucosa and each class at every site, without confounders."""
    rows = []
    for index, name in enumerate(("healthy", *CLASSES), start=-1):
        frames = []
        for number, site in enumerate(SITES):
            where = [number + 8 * index + 8, number + 8 * index + 60]
            scenes = Scenes.sample(seed, where, site, torch.tensor([index, index]))
            frames.append(render(scenes, torch.zeros(2, len(CONFOUNDERS)), size)[0])
        rows.append((name, torch.cat(frames)))
    return rows


def confounder_rows(size: int, seed: int) -> list[tuple[str, Tensor]]:
    """Render one scene of each site under each confounder: first at 0.4, then at 1."""
    rows = []
    for column, name in enumerate(CONFOUNDERS):
        frames = []
        for strength in (0.4, 1.0):
            for number, site in enumerate(SITES):
                strengths = torch.zeros(1, len(CONFOUNDERS))
                strengths[0, column] = strength
                scenes = Scenes.sample(seed, [number], site, torch.tensor([number]))
                frames.append(render(scenes, strengths, size)[0])
        rows.append((name, torch.cat(frames)))
    return rows


def sheet(rows: list[tuple[str, Tensor]]) -> Image.Image:
    """Lay labelled rows of pictures (n, 3, S, S) under each other."""
    count, _, size, _ = rows[0][1].shape
    page = Image.new("RGB", (LABEL + count * size, len(rows) * size), (24, 24, 26))
    pen = ImageDraw.Draw(page)
    for row, (name, images) in enumerate(rows):
        pen.text((6, row * size + size // 2 - 6), name.replace("_", "\n"), fill=(230, 230, 230))
        for column, image in enumerate(images):
            pixels = (image.permute(1, 2, 0) * 255).round().byte().numpy()
            page.paste(Image.fromarray(pixels), (LABEL + column * size, row * size))
    return page


def reduce(page: Image.Image, colours: int) -> Image.Image:
    """Keep a few colours, without dither, which would defeat the compression."""
    most_spread = Image.Quantize.MAXCOVERAGE
    return page.quantize(colours, most_spread, kmeans=1, dither=Image.Dither.NONE)


ROWS = {"classes": class_rows, "confounders": confounder_rows}
"""What a sheet can show."""


def main(arguments: list[str] | None = None) -> int:
    """Read the flags, render, write; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deconfound.simulation", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("contact-sheet.png"), help="PNG to write")
    parser.add_argument("--size", type=int, default=96, help="pixels of one picture (96)")
    parser.add_argument("--seed", type=int, default=11, help="which scenes (11)")
    parser.add_argument("--rows", choices=["all", *ROWS], default="all", help="what to show (all)")
    parser.add_argument(
        "--colours", type=int, default=0, help="palette, 2 to 256, for a smaller file (0: full)"
    )
    flags = parser.parse_args(arguments)
    try:
        if flags.colours and not 2 <= flags.colours <= 256:
            raise ConfigurationError(
                f"--colours must be 0 or 2 to 256, found {flags.colours}; choose one of those"
            )
        chosen = ROWS.values() if flags.rows == "all" else [ROWS[flags.rows]]
        page = sheet([row for draw in chosen for row in draw(flags.size, flags.seed)])
        small = reduce(page, flags.colours) if flags.colours else page
        small.save(flags.out, format="PNG", optimize=True)
    except (DeconfoundError, OSError) as error:
        print(f"contact sheet {flags.out}: {error}", file=sys.stderr)
        return 2
    print(f"wrote {flags.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
