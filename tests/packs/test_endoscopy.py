"""The shipped pack says what the design says."""

from __future__ import annotations

import json
import subprocess
import sys

from deconfound.packs import PromptPack, available_packs, lint

NAMES = (
    *("blur", "artifacts"),
    *("bright", "dark", "uneven_lighting"),
    *("nbi", "white_light"),
    *("near_view", "far_view"),
    *("mucus", "blood", "reflection"),
)
CLASSES = ["polyp", "tumor", "inflammation", "nodule", "cyst"]


def test_twelve_confounders_in_five_groups() -> None:
    pack = PromptPack.load("endoscopy")
    assert pack.confounder_names == NAMES
    assert list(pack.class_names) == CLASSES
    assert [len(group.confounders) for group in pack.groups] == [2, 3, 2, 2, 3]
    assert [group.name for group in pack.groups] == [
        "field_of_view",
        "lighting",
        "imaging_technology",
        "distance",
        "surface",
    ]
    mediators = {one.name for one in pack.confounders if one.role == "mediator"}
    assert mediators == {"mucus", "blood"}
    assert set(pack.roles) == {"acquisition", "mediator"}
    assert pack.provenance.reconstructed


def test_sentences_follow_the_templates() -> None:
    pack = PromptPack.load("endoscopy")
    assert pack.class_prompts()[0] == "A polyp in an endoscopic image"
    assert pack.normal_prompt() == "Normal tissue in an endoscopic image"
    assert pack.confounder_prompts()[5] == "An endoscopy image with narrow-band imaging"
    joint = pack.joint_prompts()
    assert [len(row) for row in joint] == [12] * 5
    assert joint[4][9] == "A cyst with mucus"
    every = [*pack.class_prompts(), pack.normal_prompt(), *pack.confounder_prompts()]
    every += [sentence for row in joint for sentence in row]
    assert len(set(every)) == 5 + 1 + 12 + 60
    assert not any("{" in sentence for sentence in every)


def test_the_normal_sentence_loses_the_article_of_the_class_alone() -> None:
    def normal(template: str) -> str:
        values = PromptPack.load("endoscopy").to_mapping()
        values["templates"]["class"] = template
        return PromptPack.from_mapping(values).normal_prompt()

    assert normal("An {class} on film") == "Normal tissue on film"
    assert normal("A photo of {class}") == "A photo of normal tissue"


def test_round_trip_through_json_is_identical() -> None:
    pack = PromptPack.load("endoscopy")
    again = PromptPack.from_mapping(json.loads(json.dumps(pack.to_mapping())))
    assert again == pack
    assert hash(again) == hash(pack)
    assert again.to_mapping() == pack.to_mapping()


def test_lint_speaks_of_mediators_and_reconstruction_only() -> None:
    findings = lint(PromptPack.load("endoscopy"))
    assert [finding.rule for finding in findings] == ["mediator", "mediator", "reconstructed"]
    line = next(
        number
        for number, text in enumerate(available_packs()["endoscopy"].read_text().splitlines(), 1)
        if "name: mucus" in text
    )
    assert f"endoscopy.yaml, line {line}: mucus" in findings[0].message


def test_packs_know_nothing_of_torch() -> None:
    code = "import sys, deconfound.packs; sys.exit(bool({'torch', 'open_clip'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
