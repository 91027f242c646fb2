"""The numbers in plain words: what they say, and what they do not."""

from __future__ import annotations

import numpy as np

from deconfound.training.comparison import PairedDifference
from deconfound.training.metrics import MethodResult
from deconfound.training.report.context import Example, ReportContext
from deconfound.training.table import signed

#: Total variation below which attention tells next to nothing apart.
NEAR_PRIOR = 0.05


def reading(context: ReportContext, difference: PairedDifference | None) -> list[str]:
    """Return the paragraphs of the plain-words section.

    Args:
        context: the report's content.
        difference: of the last method against the first, None with one method.
    """
    paragraphs = [_result(context, difference)]
    if len(context.results) > 1:
        paragraphs.append(_classes(context.results[0], context.results[-1]))
    paragraphs += [_selection(context), _regions(context), _attention(context)]
    paragraphs.append(
        "Attention over named confounders is not by itself evidence that the model adjusts for "
        "them: it shows which descriptions the layer drew on, not what it would have answered "
        "had the picture been taken in another way. One training seed is one draw; repeat with "
        "several seeds before relying on a difference of a few points. Nothing here is meant for "
        "clinical use."
    )
    return [paragraph for paragraph in paragraphs if paragraph]


def _result(context: ReportContext, difference: PairedDifference | None) -> str:
    first, last = context.results[0], context.results[-1]
    images = f"{first.overall.images} images"
    if difference is None:
        return (
            f"On the {images} of {context.held_out}, a site left out of training, {last.method} "
            f"reached a mean Dice of {100 * last.overall.mean.dice:.1f}%."
        )
    told = (
        f"On the {images} of {context.held_out}, a site that no model here saw in training, "
        f"{last.method} reached a mean Dice of {100 * last.overall.mean.dice:.1f}% and "
        f"{first.method} {100 * first.overall.mean.dice:.1f}%: {_points(difference.mean)}. "
        f"Redrawing the images at random many times (bootstrap), the mean difference stays between "
        f"{signed(difference.low)} and {signed(difference.high)} points in 95% of the draws, "
    )
    if difference.settled:
        return told + "so the choice of images alone does not explain it."
    return told + "which includes zero: this run cannot tell the two apart."


def _points(difference: float) -> str:
    points = round(100 * abs(difference), 1)
    if points == 0:
        return "no difference"
    return f"{points} points {'more' if difference > 0 else 'fewer'}"


def _classes(first: MethodResult, last: MethodResult) -> str:
    gains = {
        row.name: row.mean.dice - other.mean.dice
        for row in last.rows
        if row.kind == "class" and (other := first.row("class", row.name)) is not None
    }
    if len(gains) < 2:
        return ""
    most, least = max(gains, key=gains.__getitem__), min(gains, key=gains.__getitem__)
    return (
        f"By lesion class, {last.method} differs most favourably from {first.method} on {most} "
        f"({signed(gains[most])} points) and least on {least} ({signed(gains[least])} points)."
    )


def _selection(context: ReportContext) -> str:
    if not context.histories:
        return ""
    kept = ", ".join(
        f"epoch {history.best.epoch + 1} of {len(history.records)} for {result.method} "
        f"({100 * history.best.val_dice:.1f}%)"
        for result, history in zip(context.results, context.histories, strict=True)
    )
    if context.oracle:
        return (
            f"The weights were chosen by Dice on {context.held_out} itself: {kept}. This is an "
            f"oracle: no hospital could have made that choice, so the scores are too high."
        )
    return (
        f"The weights were chosen by Dice on held-out patients of the training sites: {kept}. "
        f"The held-out site had no say in it."
    )


def _regions(context: ReportContext) -> str:
    """Say whether the regions that were selected are the lesions."""
    chosen = [one for one in context.examples if (one.truth > 0).any() and not one.kept.all()]
    if not chosen:
        return ""
    held = float(np.mean([_held(example) for example in chosen]))
    kept = float(np.mean([example.kept.mean() for example in chosen]))
    told = (
        f"On the images shown, the regions kept hold {100 * held:.0f}% of a lesion's pixels, and "
        f"would hold {100 * kept:.0f}% by chance"
    )
    if held > kept:
        return f"{told}."
    return (
        f"{told}: the lesion texts do not point at the lesions, and the intervention acts on what "
        f"surrounds them."
    )


def _held(example: Example) -> float:
    """Return the share of the lesion's pixels that lie where a location was kept."""
    rows, columns = (
        np.arange(pixels) * places // pixels
        for pixels, places in zip(example.truth.shape, example.kept.shape, strict=True)
    )
    return float(example.kept[np.ix_(rows, columns)][example.truth > 0].mean())


def _attention(context: ReportContext) -> str:
    weights = [e.weights for e in context.examples if e.weights is not None]
    if not weights:
        return ""
    mean = np.mean(weights, axis=0)
    prior = np.array([entry.prior for entry in context.confounders])
    away = 0.5 * float(np.abs(np.array(weights) - prior).sum(axis=1).mean())
    if away < NEAR_PRIOR:
        return (
            f"On the images shown, attention stays within {100 * away:.1f}% of the prior "
            f"(total variation): the layer weighs the {len(prior)} confounders almost as if it had "
            f"not looked at the image."
        )
    top = context.confounders[int(np.argmax(mean - prior))]
    told = (
        f"On the images shown, attention moves {100 * away:.0f}% of its weight away from the "
        f"prior, most often towards “{top.name}”"
    )
    apart = 0.5 * float(np.abs(np.array(weights) - mean).sum(axis=1).mean())
    if len(weights) > 1 and apart < NEAR_PRIOR:
        return (
            f"{told}, but in nearly the same way for every image (they differ by "
            f"{100 * apart:.1f}%): it does not follow what the single image shows."
        )
    return f"{told}; from image to image it differs by {100 * apart:.0f}%."
