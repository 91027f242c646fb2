"""A record a line: what a kill cut short is left out, what is damaged is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from deconfound.errors import RunFolderError
from deconfound.training.json_lines import read_lines


def test_a_last_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    assert read_lines(path, "a number", int) == []
    for text, numbers in (("1\n2\n", [1, 2]), ("1\n2", [1, 2]), ("1\n[2", [1])):
        path.write_text(text)
        assert read_lines(path, "a number", int) == numbers


@pytest.mark.parametrize("line", ["{", "[]", '"x"', ""])
def test_a_damaged_line_says_what_comes_of_deleting_it(tmp_path: Path, line: str) -> None:
    path = tmp_path / "cells.jsonl"
    path.write_text(f"1\n{line}\n3\n")
    with pytest.raises(
        RunFolderError, match="jsonl, line 2: expected a number as JSON, found"
    ) as e:
        read_lines(path, "a number", int, ", and it is drawn again")
    assert str(e.value).endswith("; delete that line, and it is drawn again")
