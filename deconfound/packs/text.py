"""The words of a pack: what counts as text, as a name, as a template."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from deconfound.errors import hint

MAX_CHARACTERS = 300
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


def one_line(text: str) -> str:
    """Join a text that was folded over several lines, as a tokenizer would."""
    return " ".join(text.split())


def same_words(text: str) -> str:
    """Return the form under which two texts are the same prompt: case and spacing do not count."""
    return one_line(text).casefold()


def _plain(text: str) -> str:
    if "{" in text or "}" in text:
        message = "expected plain words, found {found}; placeholders belong to `templates`"
        raise PydanticCustomError("placeholder", message, {"found": repr(text)})
    return text


def template(*placeholders: str) -> AfterValidator:
    """Check that a template holds exactly these placeholders, each at least once."""
    known = [f"{{{name}}}" for name in placeholders]

    def check(text: str) -> str:
        found = _PLACEHOLDER.findall(text)
        for one in (one for one in found if one not in known):
            raise PydanticCustomError(
                "placeholder",
                "unknown placeholder {found}; {hint}",
                {"found": one, "hint": hint(one, known)},
            )
        if re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
            message = "a brace without its partner in {text}; close or remove it"
            raise PydanticCustomError("placeholder", message, {"text": repr(text)})
        for one in (one for one in known if one not in found):
            message = "the placeholder {missing} is missing from {text}; add it"
            raise PydanticCustomError("placeholder", message, {"missing": one, "text": repr(text)})
        return text

    return AfterValidator(check)


def fill(text: str, **words: str) -> str:
    """Put words into a template; plain replacement, so that no format language is at work."""
    return re.sub(r"\{(\w+)\}", lambda match: words[match[1]], text)


Text = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=MAX_CHARACTERS),
    AfterValidator(one_line),
    AfterValidator(_plain),
]
Sentence = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=MAX_CHARACTERS),
    AfterValidator(one_line),
]
Remark = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, max_length=2000)]
Key = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)]
Version = Annotated[int, Field(strict=True, ge=1)]
