"""From scenes and strengths to pictures and masks: the pipeline, readable in one screen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.simulation.anatomy import wall
from deconfound.simulation.camera import View, look
from deconfound.simulation.confounders import confound
from deconfound.simulation.lesions import grow
from deconfound.simulation.names import CONFOUNDERS
from deconfound.simulation.noise import read, textures
from deconfound.simulation.scenes import Scenes
from deconfound.simulation.surface import illuminate

CHUNK = 12
"""Pictures rendered together: few enough for their planes to stay in the cache."""


def render(scenes: Scenes, strengths: Tensor, size: int = 96) -> tuple[Tensor, Tensor]:
    """Render scenes under given strengths of the twelve confounders.

    Args:
        scenes: B scenes, from :meth:`Scenes.sample`.
        strengths: (B, 12) in [0, 1], columns as ``CONFOUNDERS``; 0 is absent, 1 strong. The same
            scenes with other strengths are the exact counterfactual do(z).
        size: S, pixels along each side, 16 or more.

    Returns:
        Pictures (B, 3, S, S) float32 in [0, 1], and masks (B, S, S) int64: class index + 1 on the
        lesion, 0 elsewhere. Only near and far view change a mask.

    Raises:
        ShapeError: strengths that are not (B, 12).
        ConfigurationError: strengths outside [0, 1], or a size below 16.
    """
    if strengths.shape != (len(scenes), len(CONFOUNDERS)):
        raise ShapeError(
            f"render: strengths must be ({len(scenes)}, {len(CONFOUNDERS)}), one column for each "
            f"confounder, found {tuple(strengths.shape)}"
        )
    if not ((strengths >= 0) & (strengths <= 1)).all():
        raise ConfigurationError(
            "render: strengths must lie between 0 (absent) and 1 (strong), found "
            f"{strengths.min().item():g} to {strengths.max().item():g}; clamp them"
        )
    if size < 16:
        raise ConfigurationError(
            f"render: size must be 16 pixels or more, found {size}; enlarge it"
        )
    images = torch.zeros(len(scenes), 3, size, size)
    masks = torch.zeros(len(scenes), size, size, dtype=torch.int64)

    def fill(start: int) -> None:
        part = slice(start, start + CHUNK)
        images[part], masks[part] = _render(scenes.pick(part), strengths[part].float(), size)

    starts = range(0, len(scenes), CHUNK)
    # One chunk a thread: operations on planes this small gain little from threads of their own.
    workers = max(1, min(torch.get_num_threads(), len(starts)))
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        list(pool.map(fill, starts))
    return images, masks


@torch.no_grad()  # which holds for one thread only, so it stands here and not on `render`
def _render(scenes: Scenes, strengths: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Render one chunk: camera, wall, lesion, light, confounders, sensor."""
    view = look(scenes, strengths, size)
    texture = textures(scenes.lattice)
    healthy = wall(scenes, view, texture)
    surface, masks = grow(scenes, view, texture, healthy)
    images = illuminate(surface, view, scenes)
    images = confound(images, scenes, view, texture, surface.light, strengths)
    return _sense(images, scenes, view, texture), masks


def _sense(images: Tensor, scenes: Scenes, view: View, texture: Tensor) -> Tensor:
    """Add the sensor's grain, stronger in the dark, and cut the picture by the field stop."""
    left, top = scenes.between("noise_x", 0, 1), scenes.between("noise_y", 0, 1)
    grain = torch.stack(
        read(texture[:, :3], 9.7 * view.screen_x + left, 17.3 * view.screen_y + top), dim=1
    )
    level = scenes.between("grain", 0.004, 0.012)[:, None]
    return ((images + level * grain) * view.stop[:, None]).clamp(0, 1)
