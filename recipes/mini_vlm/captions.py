"""Captions with varied wording that know what they say, and of which pictures it is true.

A caption is written for one picture, yet it fits every picture of the batch for which all that it
says holds; contrastive training must not push those apart. So a caption travels with its `Claims`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from deconfound.packs import PromptPack

UNSAID, HEALTHY = -2, -1
"""What `Caption.lesion` holds besides a class index: nothing said of it, or that there is none."""

SEEN, UNSEEN = 0.3, 0.1
"""A confounder of at least the first strength is there, up to the second it is not; nobody can say
in between, and such pairs of picture and caption teach nothing."""

CLASSES: tuple[tuple[str, ...], ...] = (
    ("polyp", "polypoid lesion", "polypoid growth"),
    ("tumor", "tumour", "malignant mass"),
    ("inflammation", "inflamed area", "patch of inflamed mucosa"),
    ("nodule", "nodular lesion", "small nodule"),
    ("cyst", "cystic lesion", "fluid-filled cyst"),
)
"""Ways to name each class, the pack's own word first."""

CONFOUNDERS: tuple[tuple[str, ...], ...] = (
    ("blur", "motion blur", "an unfocused lens", "blurred details"),
    ("imaging artifacts", "artifacts", "interlacing and compression artifacts"),
    ("bright illumination", "overexposure", "very bright light"),
    ("dark illumination", "underexposure", "too little light"),
    ("uneven lighting", "uneven illumination", "light from one side"),
    ("narrow-band imaging", "NBI", "narrow band light"),
    ("white-light imaging", "white light", "ordinary white light"),
    ("a near view", "a close-up view", "the scope very close"),
    ("a far view", "a distant view", "the scope far away"),
    ("mucus", "strands of mucus", "sticky mucus"),
    ("blood", "bleeding", "fresh blood"),
    ("specular reflection", "specular highlights", "glare", "glossy reflections"),
)
"""Ways to name each confounder, the pack's own words first."""

NORMAL = ("normal tissue", "healthy mucosa", "normal mucosa", "no lesion")

CLASS_TEMPLATES = (
    "A {} in an endoscopic image",
    "an endoscopic picture of a {}",
    "a {}",
    "endoscopy showing a {}",
    "there is a {} in this view",
)
CONFOUNDER_TEMPLATES = (
    "An endoscopy image with {}",
    "an endoscopic frame with {}",
    "{}",
    "endoscopy, {}",
    "the picture shows {}",
)
JOINT_TEMPLATES = (
    "A {} with {}",
    "a {} in an endoscopic image with {}",
    "endoscopy showing a {}, {}",
    "an endoscopy image of a {} with {}",
)
NORMAL_TEMPLATES = (
    "{} in an endoscopic image",
    "an endoscopic picture of {}",
    "{}",
    "endoscopy showing {}",
)


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence and its claims.

    Attributes:
        text: the sentence.
        lesion: a class index, `HEALTHY`, or `UNSAID`.
        confounders: indices of the confounders that it says are there; of others it says nothing.
    """

    text: str
    lesion: int = UNSAID
    confounders: tuple[int, ...] = ()


def write(draw: random.Random, class_index: int, strengths: Sequence[float]) -> Caption:
    """Write one true caption for one picture, in words of its own.

    Args:
        draw: where the wording comes from.
        class_index: lesion class, -1 for healthy mucosa.
        strengths: of the twelve confounders.

    Returns:
        A caption about the lesion, about one or two confounders that can be seen, or about both.
    """
    seen = [k for k, strength in enumerate(strengths) if strength >= SEEN]
    mentioned = tuple(sorted(draw.sample(seen, draw.choice(range(min(len(seen), 2) + 1)))))
    speaks_of_lesion = not mentioned or draw.random() < 0.4
    lesion = class_index if speaks_of_lesion else UNSAID
    return Caption(_sentence(draw, lesion, mentioned), lesion, mentioned)


def write_class(draw: random.Random, class_index: int) -> Caption:
    """Write a caption about the lesion class alone."""
    return Caption(_sentence(draw, class_index, ()), class_index)


def _sentence(draw: random.Random, lesion: int, mentioned: Sequence[int]) -> str:
    conditions = " and ".join(draw.choice(CONFOUNDERS[k]) for k in mentioned)
    if lesion == UNSAID:
        return draw.choice(CONFOUNDER_TEMPLATES).format(conditions)
    if lesion == HEALTHY:
        plain = draw.choice(NORMAL_TEMPLATES).format(draw.choice(NORMAL))
        return f"{plain} with {conditions}" if mentioned else plain
    name = draw.choice(CLASSES[lesion])
    if mentioned:
        return draw.choice(JOINT_TEMPLATES).format(name, conditions)
    return draw.choice(CLASS_TEMPLATES).format(name)


def of_pack(pack: PromptPack) -> list[Caption]:
    """Return the sentences that a pack asks about: K classes, normal tissue, M confounders."""
    classes = [Caption(text, k) for k, text in enumerate(pack.class_prompts())]
    normal = Caption(pack.normal_prompt(), HEALTHY)
    conditions = [Caption(text, UNSAID, (m,)) for m, text in enumerate(pack.confounder_prompts())]
    return [*classes, normal, *conditions]


def match(
    captions: Sequence[Caption], class_index: Tensor, strengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Say which captions are true of which pictures.

    Args:
        captions: n captions.
        class_index: (B,) int64, -1 for healthy mucosa.
        strengths: (B, 12).

    Returns:
        (B, n) bool, whether all that the caption says holds; and (B, n) bool, whether that can be
        decided: a caption is false as soon as one thing is, and undecided where the rest is true
        and a confounder that it mentions is neither there nor absent.
    """
    lesion = torch.tensor([caption.lesion for caption in captions])
    says = torch.zeros(len(captions), strengths.shape[1], dtype=torch.bool)
    for row, caption in enumerate(captions):
        says[row, list(caption.confounders)] = True
    lesion_holds = (lesion == UNSAID) | (lesion == class_index[:, None])
    there, absent = strengths >= SEEN, strengths <= UNSEEN
    true = lesion_holds & (there[:, None] | ~says).all(-1)
    false = ~lesion_holds | (absent[:, None] & says).any(-1)
    return true, true | false


def every_word() -> str:
    """Return a text with every word that a caption can hold."""
    templates = (CLASS_TEMPLATES, CONFOUNDER_TEMPLATES, JOINT_TEMPLATES, NORMAL_TEMPLATES)
    phrases = chain(*CLASSES, *CONFOUNDERS, NORMAL, ("with", "and"))
    return " ".join(chain(phrases, (t.replace("{}", " ") for t in chain(*templates))))
