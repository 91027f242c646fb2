"""Names are looked up on a search path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deconfound.errors import PackError, UnknownNameError
from deconfound.packs import PromptPack, add_pack_path, available_packs, lint, search

Write = Callable[..., Path]


def test_a_typo_lists_the_near_names() -> None:
    with pytest.raises(
        UnknownNameError, match="unknown prompt pack 'endoscpy'; did you mean endosc"
    ):
        PromptPack.load("endoscpy")


def test_added_folders_come_first_then_the_variable(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for version, folder in enumerate(folders, 1):
        folder.mkdir()
        text = write("version: 1", f"version: {version}").read_text()
        (folder / "small.yaml").write_text(text)
    monkeypatch.setenv("DECONFOUND_PACKS", f"{folders[0]}:{folders[1]}")
    assert PromptPack.load("small").version == 1
    add_pack_path(folders[2])
    assert PromptPack.load("small").version == 3
    add_pack_path(folders[1])
    assert PromptPack.load("small").version == 2
    assert {"small", "endoscopy"} <= set(available_packs())


def test_a_wheel_finds_its_own_copy(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "deconfound"
    (package / "prompt_packs").mkdir(parents=True)
    stranger = package.parent / "prompt_packs"
    stranger.mkdir()
    write().rename(package / "prompt_packs" / "small.yaml")
    (stranger / "other.yaml").write_text("")
    monkeypatch.setattr(search, "_PACKAGE", package)
    assert list(available_packs()) == ["small"]


def test_folders_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PackError, match="add_pack_path: expected a folder of prompt packs"):
        add_pack_path(tmp_path / "absent")
    monkeypatch.setenv("DECONFOUND_PACKS", str(tmp_path / "absent"))
    with pytest.raises(PackError, match=r"\$DECONFOUND_PACKS: expected a folder"):
        available_packs()


def test_a_file_that_calls_itself_otherwise(write: Write) -> None:
    path = write(name="renamed.yaml")
    add_pack_path(path.parent)
    with pytest.raises(PackError, match="found as 'renamed' and calls itself 'small'"):
        PromptPack.load("renamed")
    assert PromptPack.load(path).name == "small"


def test_lint_rules(write: Write) -> None:
    def rules(old: str, new: str) -> list[str]:
        return [finding.rule for finding in lint(PromptPack.load(write(old, new)))]

    assert rules("", "") == []
    assert rules("dark illumination, role: acquisition", "dark illumination") == ["unknown"]
    assert rules("bright illumination", "illumination dark") == ["similar"]
    assert rules("bright illumination", "dark illuminations") == ["similar"]
    assert rules("bright illumination", "a shadow of the polyp") == ["class-in-confounder"]
    assert rules("source: us", "source: us, reconstructed: true") == ["reconstructed"]
    assert rules("dark illumination", "dark illumination in the upper left") == ["place"]
    assert rules("[polyp, cyst]", "[polyp in the centre, cyst]") == ["place"]
    assert rules("A {class} in an image", "A {class} at the edge of an image") == ["place"]
    second = "      - {name: bright, text: bright illumination, role: acquisition}\n"
    assert rules(second, "") == ["single"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a lesion in the upper left", True),
        ("a lesion at the bottom of the frame", True),
        ("glare in the top right corner", True),
        ("a centred view", True),
        ("folds on the left-hand side", True),
        ("vessels near the image border", True),
        ("an opacity in the left lung", False),
        ("light from one side", False),
        ("a close-up of the upper airway", False),
        ("frames of another centre", False),
        ("a lower contrast", False),
        ("an edge that is hard to see", False),
    ],
)
def test_a_place_in_the_picture_is_remarked_on_and_anatomy_is_not(
    write: Write, text: str, place: bool
) -> None:
    pack = PromptPack.load(write("bright illumination", text))
    assert ("place" in [finding.rule for finding in lint(pack)]) == place
