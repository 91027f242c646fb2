"""Confounders that can be drawn: torchvision operations by the names that packs use.

Each takes one picture (3, H, W) in [0, 1], its mask (H, W), a strength in [0, 1] and a generator,
and returns both. They are rough on purpose: a model has only to find that the look of a confounder
says nothing about the class. None is taken from, or tuned to, :mod:`deconfound.simulation`.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable

import torch
import torch.nn.functional as nnf
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

Drawn = tuple[Tensor, Tensor]
Operation = Callable[[Tensor, Tensor, float, torch.Generator], Drawn]


def brighten(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """Over-expose: lift the mid-tones, then burn out."""
    lifted = F.adjust_gamma(image, 1 / (1 + 1.2 * strength))
    return F.adjust_brightness(lifted, 1 + _between(0.1, 0.6, g) * strength), mask


def darken(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """Under-expose: less light, and crushed shadows."""
    dimmed = F.adjust_brightness(image, 1 - _between(0.5, 0.8, g) * strength)
    return F.adjust_gamma(dimmed, 1 + 0.5 * strength), mask


def gradient(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """Light from one side; in MRI a bias field."""
    angle = _between(0, 2 * math.pi, g)
    down, across = _plane(image)
    along = across * math.cos(angle) + down * math.sin(angle)
    return (image * (1 + 0.9 * strength * along)).clamp(0, 1), mask


def blur(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """Out of focus."""
    sigma = max(0.1, 0.03 * strength * image.shape[-1])
    return F.gaussian_blur(image, [_odd(4 * sigma)] * 2, [sigma, sigma]), mask


def motion(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """Moved during the exposure, along any direction."""
    size = _odd(0.12 * strength * image.shape[-1])
    line = torch.zeros(1, size, size)
    line[:, size // 2] = 1
    line = F.rotate(line, _between(0, 180, g), InterpolationMode.BILINEAR)
    kernel = (line / line.sum()).expand(3, 1, size, size).to(image)
    framed = nnf.pad(image[None], [size // 2] * 4, mode="replicate")
    return nnf.conv2d(framed, kernel, groups=3)[0], mask


def compress(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """Blocks and fringes of strong JPEG compression."""
    file = io.BytesIO()
    F.to_pil_image(image.cpu()).save(file, "JPEG", quality=max(3, round(40 - 37 * strength)))
    with Image.open(file) as stored:
        return F.to_dtype(F.pil_to_tensor(stored), torch.float32, scale=True).to(image), mask


def noise(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """Grain of the sensor, the same in all channels or in each."""
    channels = 1 if torch.rand((), generator=g) < 0.5 else 3
    grain = torch.randn((channels, *image.shape[1:]), generator=g).to(image)
    return (image + 0.12 * strength * grain).clamp(0, 1), mask


def narrow_band(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """A lamp without red: the picture that green and blue alone give, in false colours."""
    _, green, blue = image
    share = _between(0.35, 0.65, g)
    false = torch.stack([green, share * green + (1 - share) * blue, 0.5 * (green + blue)])
    return image + (F.adjust_contrast(false, 1.2) - image) * (0.4 + 0.6 * strength), mask


def cool(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """A white balance towards blue."""
    return _balance(image, -strength * _between(0.2, 0.45, g)), mask


def warm(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """A white balance towards red."""
    return _balance(image, strength * _between(0.2, 0.45, g)), mask


def pale(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """Washed out: little colour and little contrast."""
    faded = F.adjust_saturation(image, 1 - 0.7 * strength)
    return F.adjust_contrast(faded, 1 - 0.4 * strength), mask


def window(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """Harsh contrast, both ends clipped: in CT a narrow window about the tissue."""
    level = image.median() + _between(-0.05, 0.05, g)
    return (level + (image - level) * (1 + 2 * strength)).clamp(0, 1), mask


def sharpen(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """Edge enhancement of a video processor, or a sharp reconstruction kernel."""
    return F.adjust_sharpness(image, 1 + 4 * strength), mask


def approach(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """A near view: enlarged about the lesion, or about the centre where there is none."""
    return _zoom(image, mask, 1 + 1.1 * strength)


def retreat(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """A far view: everything smaller, the surroundings mirrored outwards."""
    return _zoom(image, mask, 1 / (1 + 1.1 * strength))


def film(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """A whitish, half-transparent film in patches."""
    colour = torch.tensor([0.9, 0.88, 0.75]) * _between(0.7, 1.0, g)
    return _cover(image, colour, 0.7 * strength, g), mask


def stain(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """Dark red patches."""
    colour = torch.tensor([0.45, 0.05, 0.05]) * _between(0.6, 1.2, g)
    return _cover(image, colour, 0.9 * strength, g), mask


def glare(image: Tensor, mask: Tensor, strength: float, g: torch.Generator) -> Drawn:
    """Small saturated spots of reflected light."""
    height, width = image.shape[-2:]
    spots = torch.rand((1, 1, height // 2, width // 2), generator=g) < 0.05 * strength
    light = nnf.interpolate(spots.float(), (height, width), mode="bilinear")
    light = F.gaussian_blur(light, [3, 3], [0.8, 0.8])[0].to(image)
    return (image + 1.5 * light).clamp(0, 1), mask


OPERATIONS: dict[str, Operation] = {
    one.__name__: one
    for one in (
        *(brighten, darken, gradient, blur, motion, compress, noise, narrow_band, cool, warm),
        *(pale, window, sharpen, approach, retreat, film, stain, glare),
    )
}
"""Every operation by its name, which is what ``render:`` in a pack says."""


def _between(low: float, high: float, g: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=g))


def _odd(size: float) -> int:
    return max(3, 2 * round(size / 2) + 1)


def _plane(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows and columns of the picture, -1 to 1."""
    height, width = image.shape[-2:]
    down = torch.linspace(-1, 1, height, device=image.device)[:, None]
    return down, torch.linspace(-1, 1, width, device=image.device)[None]


def _balance(image: Tensor, warmth: float) -> Tensor:
    """Scale red up and blue down, the luminance roughly kept."""
    gains = torch.tensor([1 + warmth, 1.0, 1 - warmth]).to(image)
    return (image * gains[:, None, None]).clamp(0, 1)


def _zoom(image: Tensor, mask: Tensor, factor: float) -> Drawn:
    """Enlarge about the lesion by ``factor``; what comes in from outside is mirrored."""
    down, across = _plane(image)
    lesion = (mask > 0).float()
    total = lesion.sum()
    rows, columns = (
        float((lesion * axis).sum() / total) if total else 0.0 for axis in (down, across)
    )
    # The point looked at stays where it is, so that no border comes into sight when enlarging.
    y, x = rows + (down - rows) / factor, columns + (across - columns) / factor
    grid = torch.stack(torch.broadcast_tensors(x, y), dim=-1)[None]
    drawn = nnf.grid_sample(image[None], grid, padding_mode="reflection", align_corners=True)
    labels = mask[None, None].float()  # a mirrored lesion is a lesion too
    moved = nnf.grid_sample(labels, grid, "nearest", "reflection", align_corners=True)
    return drawn[0].clamp(0, 1), moved[0, 0].to(mask.dtype)


def _cover(image: Tensor, colour: Tensor, opacity: float, g: torch.Generator) -> Tensor:
    """Lay a colour over the picture in cloudy patches, lit as the picture is."""
    coarse = torch.rand((1, 1, 6, 6), generator=g)
    cloud = nnf.interpolate(coarse, image.shape[-2:], mode="bicubic")[0].to(image)
    share = opacity * ((cloud - 0.45) * 4).clamp(0, 1)
    light = 0.4 + 0.8 * image.mean(dim=0, keepdim=True)
    return (image * (1 - share) + share * colour.to(image)[:, None, None] * light).clamp(0, 1)


WORDS: tuple[tuple[str, str], ...] = (
    ("narrow-band", "narrow_band"),
    ("narrow band", "narrow_band"),
    ("nbi", "narrow_band"),
    ("narrow window", "window"),
    ("harsh contrast", "window"),
    ("high contrast", "window"),
    ("over-expos", "brighten"),
    ("overexpos", "brighten"),
    ("under-expos", "darken"),
    ("underexpos", "darken"),
    ("bright", "brighten"),
    ("dark", "darken"),
    ("dim", "darken"),
    ("uneven", "gradient"),
    ("bias field", "gradient"),
    ("inhomogen", "gradient"),
    ("motion", "motion"),
    ("blur", "blur"),
    ("defocus", "blur"),
    ("out of focus", "blur"),
    ("compress", "compress"),
    ("artifact", "compress"),
    ("artefact", "compress"),
    ("nois", "noise"),
    ("grain", "noise"),
    ("low dose", "noise"),
    ("low-dose", "noise"),
    ("white-light", "cool"),
    ("white light", "cool"),
    ("blue", "cool"),
    ("cool", "cool"),
    ("yellow", "warm"),
    ("warm", "warm"),
    ("low contrast", "pale"),
    ("pale", "pale"),
    ("haz", "pale"),
    ("sharp", "sharpen"),
    ("near", "approach"),
    ("close", "approach"),
    ("zoom", "approach"),
    ("far", "retreat"),
    ("distant", "retreat"),
    ("mucus", "film"),
    ("blood", "stain"),
    ("reflect", "glare"),
    ("glare", "glare"),
    ("specular", "glare"),
    ("highlight", "glare"),
)
"""How a word begins, and what it suggests; the first holds. For packs that name no operation."""


def suggested(text: str) -> str | None:
    """Return the operation that the words of a prompt suggest, None where they suggest none."""
    said = text.lower()
    found = (operation for word, operation in WORDS if re.search(rf"\b{re.escape(word)}", said))
    return next(found, None)
