"""The endoscopy pack at other sizes, and in other words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from deconfound.errors import ConfigurationError, unknown_name
from deconfound.packs import PromptPack

Quality = Literal["true", "paraphrased", "partly_missing", "wrong"]
QUALITIES = get_args(Quality)

RANKED = (
    "dark", "nbi", "near_view", "reflection", "blur", "bright", "white_light", "mucus",
    "artifacts", "uneven_lighting", "far_view", "blood", "motion", "side_light", "strands",
)  # fmt: skip
"""Which prompts a small dictionary keeps: one of each group first, not those that a world needs.

Each dictionary holds the smaller ones.
"""

FURTHER: Mapping[str, tuple[dict[str, str], ...]] = {
    "field_of_view": (
        {"name": "motion", "text": "motion blur", "role": "acquisition", "render": "motion"},
    ),
    "lighting": (
        {
            "name": "side_light",
            "text": "light from one side",
            "role": "acquisition",
            "render": "gradient",
        },
    ),
    "surface": (
        {"name": "strands", "text": "strands of mucus", "role": "mediator", "render": "film"},
    ),
}
"""Three prompts more by group; near-duplicates, as additions to a dictionary usually are."""

PARAPHRASES = {
    "blur": "an unfocused lens",
    "artifacts": "interlacing and compression artifacts",
    "bright": "overexposure",
    "dark": "too little light",
    "uneven_lighting": "uneven illumination",
    "nbi": "NBI",
    "white_light": "ordinary white light",
    "near_view": "the scope very close",
    "far_view": "the scope far away",
    "mucus": "sticky mucus",
    "blood": "fresh blood",
    "reflection": "glossy reflections",
    "motion": "blurred details",
    "side_light": "one-sided illumination",
    "strands": "mucus in strands",
}
"""The same things in other words."""

IRRELEVANT = (
    "umbrella", "tractor", "violin", "teapot", "staircase", "penguin", "lighthouse", "bicycle",
    "pineapple", "typewriter", "cactus", "submarine", "chandelier", "harbour", "saxophone",
)  # fmt: skip
"""Nouns that name nothing in any picture here."""

Change = Callable[[int, dict[str, Any]], dict[str, Any] | None]


def pack_for(size: int = 12, quality: str = "true") -> PromptPack:
    """Return the endoscopy pack at another size and in other words; its classes stay.

    Args:
        size: prompts, 1 to 15; those of ``RANKED`` that come first, in the pack's order.
        quality: ``true`` leaves the words as they are; ``paraphrased`` says the same in other
            words; ``partly_missing`` leaves out every third prompt; ``wrong`` puts irrelevant
            nouns in their place, which nothing can draw.

    Raises:
        ConfigurationError: a size out of range.
        UnknownNameError: an unknown quality.
    """
    require_size(size)
    pack = PromptPack.load("endoscopy")
    changes: dict[str, Change] = {
        "true": lambda place, one: one,
        "paraphrased": lambda place, one: {**one, "text": PARAPHRASES[one["name"]]},
        "partly_missing": lambda place, one: None if place % 3 == 2 else one,
        "wrong": lambda place, one: {"name": IRRELEVANT[place], "text": IRRELEVANT[place]},
    }
    if quality not in changes:
        raise unknown_name("dictionary quality", quality, QUALITIES)
    return _rebuilt(pack, set(RANKED[:size]), changes[quality], f"{size} prompts, {quality}")


def require_size(size: int) -> None:
    """Raise ConfigurationError unless there are that many prompts."""
    if not 1 <= size <= len(RANKED):
        raise ConfigurationError(
            f"dictionary size: expected 1 to {len(RANKED)} prompts, found {size}; choose among them"
        )


def _rebuilt(pack: PromptPack, kept: set[str], change: Change, what: str) -> PromptPack:
    """Keep some confounders, then change each; groups left empty go."""
    mapping = pack.to_mapping()
    groups, place = [], 0
    for group in mapping["groups"]:
        confounders = []
        for one in (*group["confounders"], *FURTHER.get(group["name"], ())):
            if one["name"] not in kept:
                continue
            changed = change(place, dict(one))
            place += 1
            if changed is not None:
                confounders.append(changed)
        if confounders:
            groups.append({**group, "confounders": confounders})
    return PromptPack.from_mapping({**mapping, "groups": groups}, f"{pack.name} ({what})")
