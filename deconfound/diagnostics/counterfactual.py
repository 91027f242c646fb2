"""What the model would have said under each confounder: masks under do(z = m)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deconfound.diagnostics.swapping import Only, PriorAverage, Remembering, swapped
from deconfound.errors import ConfigurationError, ShapeError

if TYPE_CHECKING:
    from deconfound.segmenter import CausalSegmenter

Do = Mapping[int, Callable[[Tensor], Tensor]]
"""do(z = m) on pictures, for every m that can be set: (B, 3, H, W) to (B, 3, H, W), in [0, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class Counterfactuals:
    """One prediction of the same images for every confounder that was set.

    Attributes:
        names: the K confounders; all M of a dictionary where they were set in features.
        probabilities: (K, B, C, H, W), a sigmoid's for one channel, else a softmax's.
        pictures: (K, B, 3, H, W) uint8, on the CPU, what the model was shown under each confounder;
            None where it was set in features.
    """

    names: tuple[str, ...]
    probabilities: Tensor
    pictures: Tensor | None = None

    @property
    def spread(self) -> Tensor:
        """(B, H, W), standard deviation over z, of the channel that moves most; in [0, 0.5]."""
        return self.probabilities.std(dim=0, correction=0).amax(dim=1)


@torch.no_grad()
def counterfactual_masks(
    model: CausalSegmenter, images: Tensor, do: Do | None = None
) -> Counterfactuals:
    """Predict the images under do(z = m), for every m that can be set.

    Without ``do`` it is done to features: regions become A(f, z_m) alone, in place of the sum over
    z, and are decoded. This is what the *model* thinks a confounder does. With ``do`` it is done to
    the pictures, and tells what the model does when a confounder is really there: a model that
    adjusts gives the same mask, and its spread is small.

    Args:
        model: left as it was found. The tower runs once without ``do``, once for each of its
            confounders with it.
        images: (B, 3, H, W), RGB in [0, 1].
        do: by the number of a confounder, what sets it in pictures; see `drawn`. A confounder that
            it lacks is left out.

    Raises:
        ConfigurationError: without ``do``, a layer that declares no effects, or one that the model
            passes by (``intervening`` is False); a ``do`` that sets none, or one that the
            dictionary does not have.
        ShapeError: a ``do`` that returns another shape.
    """
    names = model.dictionary().names
    if do is None:
        return Counterfactuals(names, _in_features(model, images, len(names)))
    _require_known(do, len(names))
    chosen, shown, found = sorted(do), [], []
    for m in chosen:
        done = _done(do, images, m)
        shown.append((255 * done).round().clamp(0, 255).byte().cpu())
        found.append(probabilities(model(model.normalize(done))))
    which = tuple(names[m] for m in chosen)
    return Counterfactuals(which, torch.stack(found), torch.stack(shown))


@torch.no_grad()
def mask_jensen_gap(model: CausalSegmenter, images: Tensor, under: Counterfactuals) -> Tensor:
    """Return Σ_z P(z) p(mask | A(f, z)) - p(mask | Σ_z P(z) A(f, z)), pixel by pixel.

    What it costs to average the features of regions, as every estimator does inside of a model,
    in place of the masks; the head is the whole decoder (`deconfound.diagnostics.jensen_gap`).

    Args:
        model: left as it was found; it runs whole, once more.
        images: (B, 3, H, W), RGB in [0, 1].
        under: the counterfactual masks of the same images in feature space.

    Returns:
        (B, C, H, W), in [-1, 1].

    Raises:
        ConfigurationError: a layer that declares no effects.
    """
    prior = model.dictionary().prior
    with swapped(model, intervention=PriorAverage(model.intervention)):
        before = probabilities(model(model.normalize(images)))
    return torch.einsum("m, m b c h w -> b c h w", prior, under.probabilities) - before


def probabilities(logits: Tensor) -> Tensor:
    """Return a sigmoid of logits (B, 1, H, W), a softmax over the channels of others."""
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(dim=1)


def _in_features(model: CausalSegmenter, images: Tensor, count: int) -> Tensor:
    """Return the masks under each of ``count`` confounders, (M, B, C, H, W)."""
    if not model.intervening:
        raise ConfigurationError(
            "do(z = m) in feature space: expected a model that intervenes, found one whose "
            "`intervening` is False; set it, or give `do` for images"
        )
    normalised, only = model.normalize(images), Only(model.intervention)
    found = []
    with swapped(model, tower=Remembering(model.tower), intervention=only):
        for m in range(count):
            only.chosen = m
            found.append(probabilities(model(normalised)))
    return torch.stack(found)


def _require_known(do: Do, count: int) -> None:
    if not do or not 0 <= min(do) <= max(do) < count:
        raise ConfigurationError(
            f"do(z = m) on pictures: expected numbers of confounders out of 0 to {count - 1}, "
            f"found {sorted(do) or 'none'}"
        )


def _done(do: Do, images: Tensor, m: int) -> Tensor:
    done = do[m](images)
    if done.shape != images.shape:
        raise ShapeError(
            f"do(z = {m}): expected images of shape {tuple(images.shape)}, found "
            f"{tuple(done.shape)}"
        )
    return done
