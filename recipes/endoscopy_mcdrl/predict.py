"""``predict``: masks and overlays for images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro
from PIL import Image
from rich.console import Console

from deconfound import CausalSegmenter
from deconfound.data import read_image
from deconfound.errors import DataError
from deconfound.files import write_whole
from deconfound.overlap import predicted_mask
from deconfound.training import RunFolder
from deconfound.training.counting import counting
from deconfound.training.overlays import draw_fill, to_picture
from deconfound.training.reading import Watch

from .evaluate import settings_of
from .flags import parse


@dataclass(frozen=True)
class PredictFlags:
    """Write a mask and an overlay for each image.

    Masks are 0 and 255 in the binary task, and class indices, 0 being the background, otherwise.

    Attributes:
        images: image files.
        run: run folder that `train` made.
        out: folder for the results.
        method: which of the run's models; the last by default.
        channel_order: of the files: bgr for those that hold blue first.
        overwrite: replace results that are there already.
        json: print what was written as JSON.
    """

    images: Annotated[tuple[Path, ...], tyro.conf.Positional]
    run: Path
    out: Path = Path("predictions")
    method: str | None = None
    channel_order: Literal["rgb", "bgr"] = "rgb"
    overwrite: bool = False
    json: bool = False


def main(arguments: Sequence[str]) -> None:
    """Predict as the flags say; every image is read before anything is written."""
    flags = parse(PredictFlags, arguments, "predict")
    if not flags.images:
        raise DataError("predict: expected at least one image, found none; name the files")
    run = RunFolder.open(flags.run)
    side = settings_of(run).image_size
    model = CausalSegmenter.from_pretrained(run.model_path(run.trained_method(flags.method)))
    targets = _targets(flags)
    for path in flags.images:  # looked at one by one: all of them may not fit into memory
        read_image(path, flags.channel_order)

    def work(progress: Watch) -> list[dict[str, object]]:
        written = []
        for done, source in enumerate(flags.images, 1):
            picture = read_image(source, flags.channel_order)
            mask = segment(model, picture, side)
            brightest = 255 if model.classes == 1 else 1
            told = _write(mask, brightest, picture, *targets[source])
            written.append({"image": str(source), **told})
            progress(done, len(flags.images))
        return written

    written = counting(Console(stderr=True), "images", work)
    if flags.json:
        print(json.dumps(written, indent=2))
        return
    for entry in written:
        share = f"{100 * float(str(entry['lesion_share'])):.1f} % lesion"
        print(f"{entry['image']}: {share} → {entry['mask']}, {entry['overlay']}")


@torch.no_grad()
def segment(model: CausalSegmenter, picture: np.ndarray, side: int) -> np.ndarray:
    """Return the mask (H, W) of an image (H, W, 3) uint8, worked out at the training size."""
    image = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    resize = torch.nn.functional.interpolate
    small = resize(image, (side, side), mode="bilinear", antialias=True, align_corners=False)
    logits = model(model.normalize(small))
    logits = resize(logits, picture.shape[:2], mode="bilinear", align_corners=False)
    return predicted_mask(logits)[0].numpy()


def _targets(flags: PredictFlags) -> dict[Path, tuple[Path, Path]]:
    """Return mask and overlay paths, refusing to overwrite or to write two results to one."""
    targets = {
        path: (flags.out / f"{path.stem}_mask.png", flags.out / f"{path.stem}_overlay.png")
        for path in flags.images
    }
    masks = [mask for mask, _ in targets.values()]
    for source, (mask, overlay) in targets.items():
        if masks.count(mask) > 1:
            raise DataError(
                f"{source}: another image has the same name, so both would be written to {mask}; "
                f"predict them one after the other with different --out"
            )
        for path in (mask, overlay):
            if path.exists() and not flags.overwrite:
                raise DataError(f"{path}: exists already; choose another --out, or --overwrite")
    return targets


def _write(
    mask: np.ndarray, scale: int, picture: np.ndarray, mask_path: Path, overlay_path: Path
) -> dict[str, object]:
    try:
        write_whole(mask_path, Image.fromarray(mask.astype(np.uint8) * scale).save)
        write_whole(overlay_path, draw_fill(to_picture(picture), mask).save)
    except OSError as error:
        raise DataError(f"{mask_path}: cannot be written ({error.strerror or error})") from error
    return {
        "mask": str(mask_path),
        "overlay": str(overlay_path),
        "lesion_share": round(float((mask > 0).mean()), 4),
    }
