"""Settings that say in one sentence what is wrong with a value, wherever it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ModelWrapValidatorHandler, ValidationError, model_validator

from deconfound.errors import DeconfoundError


class WrongValueError(DeconfoundError):
    """A setting, and what is wrong with its value.

    No ValueError, unlike its siblings: tyro would print that itself, in a frame, and pydantic
    would put it into an error of its own.
    """

    def __str__(self) -> str:
        return ": ".join(self.args)


class Settings(BaseModel):
    """A record of settings.

    Attributes:
        before: what was done before there was a setting, where that is not its default.

    Raises:
        WrongValueError: a value that its field does not take; the first of them.
    """

    before: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def usual(cls) -> dict[str, Any]:
        """Return the value that each setting had where nothing was said of it, as JSON has it."""
        return {**cls.model_validate({}).model_dump(mode="json"), **cls.before}

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_sentence(cls, values: Any, fill: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return fill(values)
        except ValidationError as error:
            raise _wrong_value(error) from error


def _wrong_value(error: ValidationError) -> WrongValueError:
    """Return the first thing that pydantic objects to."""
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected", 1)
    setting = str(first["loc"][0]) if first["loc"] else "settings"
    return WrongValueError(setting, f"{message[0].lower()}{message[1:]}, found {first['input']!r}")
