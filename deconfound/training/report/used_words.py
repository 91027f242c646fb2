"""The section "What did the model use?" in sentences."""

from __future__ import annotations

from deconfound.diagnostics import SiteProbe, WhatWasUsed

WARNINGS = 6
"""How many cells without overlap are named."""

SURE = 0.05
"""The p-value below which independence is given up."""


def used_sentences(used: WhatWasUsed) -> list[str]:
    """Say what is not drawn: whether features know the site, and what the dictionary holds."""
    told = (_site(used), _kernel(used), _spread(used), _jensen(used), _health(used))
    return [said for said in told if said]


def overlap_sentences(used: WhatWasUsed) -> list[str]:
    """Say which class is not seen under which confounder, the emptiest first."""
    if not used.overlap:
        return []
    named = "; ".join(str(cell) for cell in used.overlap[:WARNINGS])
    more = len(used.overlap) - WARNINGS
    rest = f"; and {more} more" if more > 0 else ""
    read = f"{used.trained_on} training images" if used.trained_on else f"{used.images} images"
    return [
        f"Too little overlap to adjust there without extrapolating, as the vision-language model "
        f"reads {read}: {named}{rest}."
    ]


def _site(used: WhatWasUsed) -> str:
    if used.probe is None:
        return ""
    before = ""
    if used.probe_before is not None:
        before = f", and {100 * used.probe_before.accuracy:.0f}% before the intervention"
    return (
        f"A linear probe finds the site from the regions' features in "
        f"{100 * used.probe.accuracy:.0f}% of {used.probe.images} images, against "
        f"{100 * used.probe.chance:.0f}% by chance given the lesion class{before}: "
        f"{_verdict(used.probe)} (p = {used.probe.p_value:.3g}"
        f"{'' if used.probe.grouped else '; patients unknown, so it can be too small'})."
    )


def _verdict(probe: SiteProbe) -> str:
    if probe.p_value < SURE:
        return "the features still know the site"
    return "no sign that the features know the site"


def _kernel(used: WhatWasUsed) -> str:
    if used.kernel_missing:
        return (
            "Whether features depend on the site in a way that no line shows was not computed: the "
            "kernel test needs causal-learn, which is not installed; run "
            'pip install "deconfound[diagnostics]".'
        )
    if used.kernel is None:
        return ""
    told = "depend" if used.kernel.p_value < SURE else "do not visibly depend"
    return (
        f"By a kernel test, features {told} on the site given the class "
        f"(p = {used.kernel.p_value:.3g}, {used.kernel.images} images)."
    )


def _spread(used: WhatWasUsed) -> str:
    told = used.done or used.counterfactual
    if told is None:
        return ""
    which = (
        "each confounder is set in the features"
        if used.done is None
        else f"each of the {len(told.names)} confounders, of {len(used.names)}, that can be drawn "
        f"is drawn onto the pictures"
    )
    return (
        f"When {which} in turn, the probability of a pixel varies by "
        f"{100 * float(told.spread.mean()):.1f} points on average and by "
        f"{100 * float(told.spread.max()):.0f} at most (standard deviation over confounders)."
    )


def _jensen(used: WhatWasUsed) -> str:
    if used.jensen is None:
        return ""
    return (
        f"Averaging over confounders before the decoder rather than after it moves the probability "
        f"of a pixel by {100 * float(used.jensen.mean()):.2f} points on average and by "
        f"{100 * float(used.jensen.max()):.1f} at most (Jensen gap)."
    )


def _health(used: WhatWasUsed) -> str:
    health = used.health
    if health is None:
        return ""
    told = (
        f"The dictionary's {len(health.names)} embeddings fill {health.effective_rank:.1f} "
        f"directions"
    )
    if not health.near_duplicates:
        return f"{told}; no two of them say the same."
    pair, count = health.near_duplicates[0], len(health.near_duplicates)
    alike = (
        f"{count} pairs say nearly the same, first"
        if count > 1
        else "one pair says nearly the same:"
    )
    return f"{told}, and {alike} {pair.names[0]} and {pair.names[1]} (cosine {pair.cosine:.2f})."
