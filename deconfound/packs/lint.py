"""What is legal in a pack and still worth a second look."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from deconfound.packs.schema import Pack
from deconfound.packs.text import same_words

SIMILAR = 0.9

_SIDE = r"(?:upper|lower|top|bottom|left|right)"
_MIDDLE = r"(?:centre|center|middle|corner|quadrant|edge|border|periphery)"
_PLACE = re.compile(
    rf"\b(?:"
    rf"{_SIDE}[ -](?:{_SIDE}|{_MIDDLE}|half|third|part|side|hand)\b"
    rf"|(?:in|at|on|near|towards?) the (?:very |image )?(?:{_MIDDLE}\b|{_SIDE}(?: of\b|$))"
    rf"|quadrant\b|off-cent(?:re|er)\b|cent(?:red|ered)\b|centrally\b"
    rf")"
)
"""Words for a place in a picture; not those of anatomy ("the left lung") or light ("one side")."""


@dataclass(frozen=True)
class Finding:
    """One remark.

    Attributes:
        rule: short name of the rule.
        message: one sentence, with file and line where the pack has them.
    """

    rule: str
    message: str


def lint(pack: Pack) -> list[Finding]:
    """Look a valid pack over.

    Args:
        pack: any pack.

    Returns:
        Findings, none of them an error: mediators and undecided roles (adjusting for an effect of
        the lesion biases), near-identical prompts (attention washes out), confounders
        that name a class, prompts that name a place in the picture, a dictionary of one,
        reconstructed prompts.
    """
    return [
        *_roles(pack),
        *_similar(pack),
        *_names_a_class(pack),
        *_names_a_place(pack),
        *_single(pack),
        *_provenance(pack),
    ]


def _roles(pack: Pack) -> Iterator[Finding]:
    said = {
        "mediator": "may be an effect of the lesion; adjusting for it can hide part of the lesion",
        "unknown": "has no decided role; say whether it is `acquisition` or `mediator`",
    }
    for i, group in enumerate(pack.groups):
        for j, one in enumerate(group.confounders):
            if one.role in said:
                place = pack._origin.at(("groups", i, "confounders", j, "role"))
                yield Finding(one.role, f"{place}: {one.name} {said[one.role]}")


def _similar(pack: Pack) -> Iterator[Finding]:
    texts = [*pack._places("text"), (("normal",), pack.normal)]
    for (_, first), (path, second) in combinations(texts, 2):
        words = same_words(first), same_words(second)
        alike = difflib.SequenceMatcher(None, *words, autojunk=False).ratio() >= SIMILAR
        if alike or sorted(words[0].split()) == sorted(words[1].split()):
            yield Finding(
                "similar",
                f"{pack._origin.at(path)}: the prompts {first!r} and {second!r} are nearly "
                f"identical, and attention can hardly tell them apart",
            )


def _names_a_class(pack: Pack) -> Iterator[Finding]:
    for path, text in pack._places("text"):
        for lesion in pack.classes if path[0] == "groups" else ():
            if same_words(lesion.text) in same_words(text):
                yield Finding(
                    "class-in-confounder",
                    f"{pack._origin.at(path)}: the confounder {text!r} names the class "
                    f"{lesion.name!r}, so adjusting for it erases that class",
                )


def _names_a_place(pack: Pack) -> Iterator[Finding]:
    templates = [(("templates", k), v) for k, v in pack.templates.model_dump(by_alias=True).items()]
    for path, text in (*pack._places("text"), (("normal",), pack.normal), *templates):
        if found := _PLACE.search(same_words(text)):
            yield Finding(
                "place",
                f"{pack._origin.at(path)}: {text!r} names a place in the picture ({found[0]!r}), "
                f"and every picture is read with the same prompts; say what it looks like, not "
                f"where it lies",
            )


def _single(pack: Pack) -> Iterator[Finding]:
    if len(pack.confounders) == 1:
        yield Finding(
            "single",
            f"{pack._origin.at(('groups',))}: with one confounder every weight is 1 and the "
            f"intervention is a constant",
        )


def _provenance(pack: Pack) -> Iterator[Finding]:
    if pack.provenance.reconstructed:
        yield Finding(
            "reconstructed",
            f"{pack._origin.at(('provenance', 'reconstructed'))}: the prompts are a "
            f"reconstruction, not the list of {pack.provenance.source}",
        )
