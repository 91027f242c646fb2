"""Pack: what a prompt pack may say, and the sentences that follow from it (arXiv 2508.05008)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from deconfound.errors import PackError
from deconfound.packs.lines import Origin, Path
from deconfound.packs.parts import (
    Confounder,
    ConfounderGroup,
    LesionClass,
    Part,
    Provenance,
    Role,
    Templates,
)
from deconfound.packs.text import Key, Remark, Text, Version, fill, same_words


def _from_name(value: Any) -> Any:
    return {"name": value} if not isinstance(value, Mapping) else value


class Pack(Part):
    """A confounder dictionary in words, with the classes it is to be separated from.

    Attributes:
        name: what the pack is called on the search path.
        version: version of its contents, counted from 1.
        classes: the K lesion classes, in the order of class indices.
        normal: how normal tissue is described.
        templates: the three sentences.
        groups: the M confounders in their groups; their order is that of the dictionary.
        provenance: where the words come from.
    """

    name: Key
    version: Version
    description: Remark = ""
    modality: Text
    classes: Annotated[
        tuple[Annotated[LesionClass, BeforeValidator(_from_name)], ...], Field(min_length=1)
    ]
    normal: Text
    templates: Templates
    groups: Annotated[tuple[ConfounderGroup, ...], Field(min_length=1)]
    provenance: Provenance

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        _refuse_repeats(self._places("name"), "name")
        _refuse_repeats([*self._places("text"), (("normal",), self.normal)], "prompt")
        _refuse_repeats(
            ((("groups", i, "name"), group.name) for i, group in enumerate(self.groups)), "group"
        )
        return self

    def _places(self, what: Literal["name", "text"]) -> Iterator[tuple[Path, str]]:
        """Every class and confounder with its place in the file."""
        for i, lesion in enumerate(self.classes):
            yield ("classes", i, what), getattr(lesion, what)
        for i, group in enumerate(self.groups):
            for j, confounder in enumerate(group.confounders):
                yield ("groups", i, "confounders", j, what), getattr(confounder, what)

    def to_mapping(self) -> dict[str, Any]:
        """Return JSON-able values; `PromptPack.from_mapping` gives an equal pack back."""
        return self.model_dump(mode="json", by_alias=True)

    @property
    def confounders(self) -> tuple[Confounder, ...]:
        """The M confounders in order, out of their groups."""
        return tuple(one for group in self.groups for one in group.confounders)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K class names, in the order of class indices."""
        return tuple(lesion.name for lesion in self.classes)

    @property
    def confounder_names(self) -> tuple[str, ...]:
        """The M confounder keys, in the order of the dictionary."""
        return tuple(one.name for one in self.confounders)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The M roles."""
        return tuple(one.role for one in self.confounders)

    def class_prompts(self) -> list[str]:
        """Return K sentences, "A {class} in an endoscopic image"."""
        return [fill(self.templates.class_, **{"class": lesion.text}) for lesion in self.classes]

    def normal_prompt(self) -> str:
        """Return the class sentence about normal tissue, against which classes are contrasted.

        A template that opens with "A {class}" would say "A normal tissue": the article is dropped.
        """
        template = re.sub(r"^An? (?=\{class\})", "", self.templates.class_)
        sentence = fill(template, **{"class": self.normal})
        return sentence[:1].upper() + sentence[1:]

    def confounder_prompts(self) -> list[str]:
        """Return M sentences, "An endoscopy image with {confounder}"."""
        return [fill(self.templates.confounder, confounder=one.text) for one in self.confounders]

    def joint_prompts(self) -> list[list[str]]:
        """Return K lists of M sentences, "A {class} with {confounder}"."""
        return [
            [
                fill(self.templates.joint, **{"class": lesion.text, "confounder": one.text})
                for one in self.confounders
            ]
            for lesion in self.classes
        ]

    def check_context(self, count_tokens: Callable[[str], int], context_length: int) -> None:
        """Refuse prompts that the tokenizer would cut short without a word.

        Args:
            count_tokens: number of tokens of a sentence, start and end marks included.
            context_length: how many tokens the text tower reads.

        Raises:
            PackError: the first prompt that is too long, with file and line.
        """
        for path, sentence in self._sentences():
            tokens = count_tokens(sentence)
            if tokens > context_length:
                raise PackError(
                    f"{self._origin.at(path)}: the prompt {sentence!r} has {tokens} tokens and "
                    f"the text tower reads {context_length}; shorten it"
                )

    def _sentences(self) -> Iterator[tuple[Path, str]]:
        """Every sentence with the place of its word; joint ones under their confounder."""
        classes = [path for path, _ in self._places("text") if path[0] == "classes"]
        confounders = [path for path, _ in self._places("text") if path[0] == "groups"]
        yield from zip(classes, self.class_prompts(), strict=True)
        yield ("normal",), self.normal_prompt()
        yield from zip(confounders, self.confounder_prompts(), strict=True)
        for row in self.joint_prompts():
            yield from zip(confounders, row, strict=True)


def _refuse_repeats(places: Iterable[tuple[Path, str]], what: str) -> None:
    seen: dict[str, Path] = {}
    for path, text in places:
        if same_words(text) in seen:
            raise PydanticCustomError(
                "repeat", "the {what} {text} appears twice; every {what} must be different",
                {"what": what, "text": repr(text), "path": path},
            )  # fmt: skip
        seen[same_words(text)] = path
