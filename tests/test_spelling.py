"""A name is found in any letter case, and spelled as it is known."""

from __future__ import annotations

import pytest

from deconfound.errors import UnknownNameError
from deconfound.spelling import spelled


def test_a_name_is_spelled_as_it_is_known() -> None:
    assert spelled("kvasir", ("CVC", "Kvasir")) == "Kvasir"


def test_a_name_that_is_known_as_it_stands_is_itself() -> None:
    assert spelled("a", ("A", "a")) == "a"


def test_a_name_that_nobody_knows_is_answered_with_the_near_one() -> None:
    with pytest.raises(UnknownNameError, match="unknown site 'Kvasr'; did you mean Kvasir"):
        spelled("Kvasr", ("CVC", "Kvasir"))
