"""The `deconfound` command: what it says of words that it does not know, and to a closed pipe."""

from __future__ import annotations

import os
import sys
from subprocess import PIPE, Popen

import pytest

from deconfound.cli import main


def test_whoever_stops_reading_hears_no_complaint() -> None:
    """Buffered, output meets the closed pipe only when it is flushed."""
    words = [sys.executable, "-m", "deconfound", "packs"]
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    command = Popen(words, stdout=PIPE, stderr=PIPE, env=buffered)
    assert command.stdout is not None
    command.stdout.close()  # as `| true` does
    assert command.communicate()[1] == b""
    assert command.returncode == 0


def test_a_group_of_commands_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--help"]) == 0
    assert "usage: deconfound benchmark causal" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lint", "endoscopy", "extra"], "error: expected nothing more, found 'extra'"),
        (["lint", "endoscopy", "--jsn"], "error: unknown flag '--jsn'; did you mean --json?"),
        (["benchmark"], "error: expected deconfound benchmark causal, found nothing"),
        (
            ["benchmark", "causal", "--test-images", "-1"],
            "error: --test-images: expected greater than or equal to 20, found -1\n",
        ),
        (
            ["benchmark", "causal", "--quick", "--strengths", "0", "2"],
            "error: --strengths: expected less than or equal to 1, found 2",
        ),
    ],
)
def test_words_that_are_not_known_are_one_sentence(words, said, capsys) -> None:
    try:
        status = main(words)
    except SystemExit as left:
        status = left.code
    assert status == 2
    assert capsys.readouterr().err.startswith(said)
