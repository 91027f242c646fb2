"""The pieces of a pack: a class, a confounder and its group, the templates, the provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deconfound.packs.text import Key, Remark, Sentence, Text, template

Role = Literal["acquisition", "mediator", "unknown"]


class Part(BaseModel):
    """A piece of a pack: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class LesionClass(Part):
    """One lesion; in a file its name alone is enough.

    Attributes:
        name: what tables and datasets call it.
        text: what ``{class}`` becomes in a template; the name, if not given.
    """

    name: Text
    text: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _text_is_the_name(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and "name" in value:
            return {"text": value["name"], **value}
        return value


class Confounder(Part):
    """One way in which an image can differ while the lesion stays the same.

    Attributes:
        name: short key, used in records and figures.
        text: what ``{confounder}`` becomes in a template.
        role: ``acquisition`` (how the image was taken), ``mediator`` (what the lesion may
            have caused; adjusting for it can bias, docs/decisions.md), or ``unknown``.
        render: the operation that draws it (`deconfound.estimators.doing.OPERATIONS`), so that
            training can set it; ``nothing`` where none does; None leaves it to the words.
    """

    name: Key
    text: Text
    role: Role = "unknown"
    render: Key | None = None


class ConfounderGroup(Part):
    """Confounders that belong together, such as those of lighting."""

    name: Key
    confounders: Annotated[tuple[Confounder, ...], Field(min_length=1)]


class Templates(Part):
    """The three sentences of the method, with their placeholders."""

    class_: Annotated[Sentence, template("class")] = Field(alias="class")
    confounder: Annotated[Sentence, template("confounder")]
    joint: Annotated[Sentence, template("class", "confounder")]


class Provenance(Part):
    """Who says so.

    Attributes:
        source: publication or person.
        reconstructed: the prompts were written after a description, not copied from a list.
        notes: anything a reader should know.
    """

    source: Sentence
    reconstructed: Annotated[bool, Field(strict=True)] = False
    notes: Remark = ""
