"""Settings that say in one sentence what is wrong with a value, wherever it comes from."""

from __future__ import annotations

from typing import Any, Self

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

    Raises:
        WrongValueError: a value that its field does not take; the first of them.
    """

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
