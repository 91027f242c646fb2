"""Every refusal is one sentence with file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import PackError
from deconfound.packs import PromptPack
from deconfound.packs.load import MAX_BYTES

Write = Callable[..., Path]

CASES = [  # what is replaced, by what, the line, words of the sentence
    ("version: 1", "versoin: 1", 2, "unknown key 'versoin'; did you mean version"),
    ("modality: endoscopy", "color: red\nmodality: endoscopy", 3, "known: name, version"),
    ("role: acquisition}", "roel: acquisition}", 13, "unknown key 'roel'; did you mean role"),
    ("  joint:", "  jiont:", 9, "did you mean joint"),
    ("normal: normal tissue\n", "", 1, "the key 'normal' is missing; add it"),
    ("text: dark illumination, ", "", 13, "the key 'text' is missing"),
    ("normal: normal tissue", 'normal: ""', 5, "`normal` is empty"),
    ("normal: normal tissue", "normal:", 5, "expected text, found nothing"),
    ("normal: normal tissue", "normal: [a]", 5, "expected text, found a list"),
    ("[polyp, cyst]", "[]", 4, "`classes` is empty; list at least one"),
    ("[polyp, cyst]", "polyp", 4, "`classes`: expected a list, found the text 'polyp'"),
    ("[polyp, cyst]", "[polyp, true]", 4, "found the boolean true; put it in quotation marks"),
    ("[polyp, cyst]", "[polyp, 12]", 4, "found the number 12; put it in quotation marks"),
    ("[polyp, cyst]", "[polyp, 3e-4]", 4, "found the number 0.0003"),
    ("[polyp, cyst]", "[polyp, Polyp]", 4, "the name 'Polyp' appears twice"),
    ("[polyp, cyst]", "[polyp, {name: cyst, text: polyp}]", 4, "the prompt 'polyp' appears twice"),
    ("[polyp, cyst]", "[polyp, {name: cyst, txt: cyst}]", 4, "key 'txt'; did you mean text"),
    ("name: bright", "name: dark", 14, "the name 'dark' appears twice"),
    ("bright illumination", "Dark  illumination", 14, "prompt 'Dark illumination' appears twice"),
    ("text: bright illumination", 'text: "Normal tissue"', 5, "appears twice"),
    ("text: bright illumination", 'text: "{bright}"', 14, "placeholders belong to `templates`"),
    ("role: acquisition", "role: aquisition", 13, "unknown value 'aquisition'; expected 'acq"),
    ("{class} in", "{clas} in", 7, "unknown placeholder {clas}; did you mean {class}"),
    ("{class} in", "{class!r} in", 7, "unknown placeholder {class!r}"),
    ("{class} in", "{class.__init__} in", 7, "unknown placeholder"),
    ("{class} in", "polyp in", 7, "the placeholder {class} is missing"),
    ("{class} in", "{class} {in", 7, "a brace without its partner"),
    ("A {class} with {confounder}", "A {class}", 9, "the placeholder {confounder} is missing"),
    ("An image with {confounder}", "{size} {confounder}", 8, "known: {confounder}"),
    ("version: 1", "version: one", 2, "expected a whole number from 1, found the text 'one'"),
    ("version: 1", "version: 0", 2, "expected a whole number from 1, found the number 0"),
    ("version: 1", "version: true", 2, "found the boolean true"),
    ("name: small", "name: Small Pack", 1, "expected a key of lower-case letters"),
    ("source: us", "source: us, reconstructed: maybe", 15, "expected true or false"),
    ("provenance: {source: us}", "provenance: us", 15, "expected a mapping with the keys source"),
    ("normal: normal tissue", f"normal: {'long ' * 80}", 5, "expected at most 300 characters"),
    ("classes: [polyp, cyst]", "classes: [polyp, cyst", 5, "not valid YAML"),
    ("name: small", "name: small\nname: tiny", 2, "the key 'name' is already on line 1"),
    ("normal: normal tissue", "normal: &a tissue", 5, "the anchor or alias 'a' is not allowed"),
    ("normal: normal tissue", "normal: *a", 5, "the anchor or alias 'a' is not allowed"),
    ("normal: normal tissue", "normal: !!python/name:os.system x", 5, "is not allowed in a pack"),
    ("normal: normal tissue", "normal: " + "[" * 5000, 5, "nested deeper than 16 levels"),
    ("normal: normal tissue", "? [a]\n: b", 5, "a key must be a word"),
    ("normal: normal tissue", "normal: a\x07b", 5, "a character that YAML does not allow (U+0007)"),
    ("provenance:", "---\nprovenance:", 15, "not valid YAML"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "words"), CASES)
def test_one_sentence_with_file_and_line(
    write: Write, old: str, new: str, line: int, words: str
) -> None:
    path = write(old, new)
    with pytest.raises(PackError) as caught:
        PromptPack.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line {line}: "), message
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize("word", ["no", "on", "off", "yes", "y", "12:30", "2001-01-01", "1_0"])
def test_words_that_yaml_1_1_would_turn_into_something_else_stay_words(
    write: Write, word: str
) -> None:
    pack = PromptPack.load(write("[polyp, cyst]", f"[polyp, {word}]"))
    assert pack.class_names == ("polyp", word)


def test_several_problems_are_counted(write: Write) -> None:
    path = write("version: 1\nmodality: endoscopy", "versoin: 1\nmodality: 7")
    with pytest.raises(PackError, match=r"line 2: unknown key 'versoin'.*\(and 2 more\)"):
        PromptPack.load(path)


def test_large_files_are_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"# " + b"x" * MAX_BYTES)
    with pytest.raises(PackError, match="at most 256 kB, found a larger file"):
        PromptPack.load(path)


def test_other_encodings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: a\nnormal: Gewölbe\n".encode("latin-1"))
    with pytest.raises(PackError, match="line 2: expected UTF-8 text, found the byte 0xf6"):
        PromptPack.load(path)


def test_a_byte_order_mark_is_accepted(write: Write) -> None:
    path = write()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert PromptPack.load(path).name == "small"


def test_empty_and_absent_files(tmp_path: Path) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("# nothing\n")
    with pytest.raises(PackError, match=r"the file: expected a mapping .* found nothing"):
        PromptPack.load(empty)
    with pytest.raises(PackError, match="cannot be read"):
        PromptPack.load(tmp_path / "absent.yaml")
    with pytest.raises(PackError, match="cannot be read"):
        PromptPack.load(tmp_path)


def test_a_mapping_is_checked_like_a_file(write: Write) -> None:
    mapping = PromptPack.load(write()).to_mapping()
    mapping["groups"][0]["confounders"][1]["name"] = "dark"
    with pytest.raises(
        PackError, match=r"config\.json: groups\.0\.confounders\.1\.name: the name 'dark'"
    ):
        PromptPack.from_mapping(mapping, source="config.json")
    with pytest.raises(PackError, match="expected a mapping"):
        PromptPack.from_mapping("small")  # type: ignore[arg-type]


def test_over_long_prompts_are_named_with_their_line(write: Write) -> None:
    pack = PromptPack.load(write("bright illumination", "bright and very white illumination"))

    def words(sentence: str) -> int:
        return len(sentence.split()) + 2

    pack.check_context(words, 10)
    with pytest.raises(PackError) as caught:
        pack.check_context(words, 9)
    assert "small.yaml, line 14: the prompt 'An image with bright and" in str(caught.value)
    assert "has 10 tokens and the text tower reads 9; shorten it" in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_pack_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    with pytest.raises(PackError, match=r"any\.yaml"):
        PromptPack.load(path)


KEYS = st.sampled_from(["name", "classes", "groups", "templates", "provenance", "x"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_any_value_is_a_pack_or_a_sentence(value: object) -> None:
    with pytest.raises(PackError):
        PromptPack.from_mapping(value)  # type: ignore[arg-type]
