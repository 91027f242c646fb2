"""The bundled model: captions are true, training runs and resumes, the shipped weights are good."""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError, RunFolderError
from deconfound.packs import PromptPack
from deconfound.simulation import CLASSES, CONFOUNDERS
from deconfound.vlm import load
from deconfound.vlm.loading import MINI_FOLDER
from recipes.mini_vlm import captions, evaluate
from recipes.mini_vlm.__main__ import main
from recipes.mini_vlm.evaluate import NEEDS, lesion_kept
from recipes.mini_vlm.model import (
    build,
    draw_places,
    export,
    locate,
    locate_apart,
    normalize,
)
from recipes.mini_vlm.objective import Objective
from recipes.mini_vlm.processes import launch
from recipes.mini_vlm.renders import PARTNER, Mixture, Renders, draw_causes, draw_renders
from recipes.mini_vlm.settings import Settings
from recipes.mini_vlm.train import train
from recipes.mini_vlm.trainer import Trainer

levels = st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.3, 0.7, 1.0]), min_size=12, max_size=12)
lesions = st.integers(-1, 4)
SMALL = Settings(steps=6, batch_size=8, pictures=40, processes=1)


@pytest.fixture(scope="module")
def pictures() -> Renders:
    return draw_renders(0, SMALL.pictures, Mixture())


def words_of(caption: captions.Caption, phrases: tuple[tuple[str, ...], ...]) -> set[int]:
    """Which entries a caption's wording names, read from the sentence itself, longest first."""
    text, found = f" {caption.text.lower()} ", set()
    for phrase, k in sorted(
        ((p.lower(), k) for k, ways in enumerate(phrases) for p in ways), key=lambda x: -len(x[0])
    ):
        if phrase in text:
            found.add(k)
            text = text.replace(phrase, "·")
    return found


def test_agreement_teaches_the_whole_view_and_leaves_its_teacher_alone() -> None:
    whole, apart = (torch.randn(2, 5, 8, requires_grad=True) for _ in range(2))
    texts = torch.randn(3, 8, requires_grad=True)
    Objective().agreement(whole, apart, texts).backward()
    assert whole.grad is not None
    assert apart.grad is None
    assert texts.grad is None
    assert Objective().agreement(whole, whole, texts) == 0


@given(st.integers(0, 10_000), lesions, levels)
def test_a_caption_says_what_it_claims_and_is_true_of_its_picture(
    seed: int, lesion: int, strengths: list[float]
) -> None:
    caption = captions.write(random.Random(seed), lesion, strengths)
    assert words_of(caption, captions.CONFOUNDERS) == set(caption.confounders)
    assert words_of(caption, captions.CLASSES) == (
        {caption.lesion} if caption.lesion >= 0 else set()
    )
    assert any(word in caption.text for word in captions.NORMAL) == (caption.lesion == -1)
    assert caption.lesion in (lesion, captions.UNSAID)
    assert all(strengths[k] >= captions.SEEN for k in caption.confounders)
    true, known = captions.match([caption], torch.tensor([lesion]), torch.tensor([strengths]))
    assert true.all()
    assert known.all()


@given(st.lists(st.tuples(st.integers(0, 99), lesions, levels), min_size=1, max_size=5))
def test_the_match_matrix_is_each_claim_checked_by_hand(
    facts: list[tuple[int, int, list[float]]],
) -> None:
    written = [captions.write(random.Random(seed), k, z) for seed, k, z in facts]
    class_index = torch.tensor([k for _, k, _ in facts])
    strengths = torch.tensor([z for _, _, z in facts])
    true, known = captions.match(written, class_index, strengths)
    for i, (_, lesion, z) in enumerate(facts):
        for j, caption in enumerate(written):
            verdicts = [caption.lesion in (captions.UNSAID, lesion)]
            for k in caption.confounders:
                verdicts.append(True if z[k] >= 0.3 else False if z[k] <= 0.1 else None)  # type: ignore[arg-type]
            assert true[i, j] == all(verdict is True for verdict in verdicts)
            assert known[i, j] == (bool(true[i, j]) or False in verdicts)


def test_the_pack_and_the_captions_name_the_same_things() -> None:
    pack = PromptPack.load("endoscopy")
    assert pack.class_names == CLASSES == tuple(names[0] for names in captions.CLASSES)
    assert pack.confounder_names == CONFOUNDERS
    assert [c.text for c in pack.confounders] == [names[0] for names in captions.CONFOUNDERS]
    asked = captions.of_pack(pack)
    assert [c.text for c in asked[:5]] == pack.class_prompts()
    assert [c.text for c in asked[6:]] == pack.confounder_prompts()
    assert asked[5].lesion == captions.HEALTHY


@given(st.integers(0, 1000), st.integers(0, 3), st.integers(0, 2))
def test_causes_are_drawn_as_the_mixture_says(seed: int, fewest: int, more: int) -> None:
    mixture = Mixture(fewest, fewest + more, weakest=0.4, healthy=0.5)
    class_index, strengths = draw_causes(seed, 60, mixture)
    there = strengths > 0
    assert there.sum(1).min() >= fewest
    assert there.sum(1).max() <= fewest + more
    assert strengths[there].min() >= 0.4 if there.any() else True
    assert not any((there[:, a] & there[:, b]).any() for a, b in PARTNER.items())
    assert set(class_index.tolist()) <= set(range(-1, 5))


def test_tokens_in_the_joint_space_average_to_the_image_embedding() -> None:
    clip, images = build().eval(), torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        tokens = locate(clip.visual, clip.visual._embeds(normalize(images)))
        torch.testing.assert_close(tokens.mean(1), clip.encode_image(normalize(images)))


@given(st.sampled_from([2, 3, 4]), st.integers(1, 4))
def test_places_are_drawn_from_every_window(side: int, kept: int) -> None:
    height, width = 2 * side, 3 * side
    places = draw_places((height, width), side, kept)
    assert places.shape == (6, kept)
    assert len(places.unique()) == places.numel()
    row, column = places // width // side, places % width // side
    assert torch.equal(row * 3 + column, torch.arange(6)[:, None].expand(-1, kept))


def test_a_location_apart_sees_its_own_window_and_no_other() -> None:
    visual = build().eval().visual
    windows = draw_places(visual.grid_size, 4, 16)
    rows = torch.cat([torch.zeros(1, dtype=torch.long), 1 + windows.flatten()])
    images = torch.rand(1, 3, 96, 96)
    changed = images.clone()
    changed[:, :, :32, :32] = torch.rand(3, 32, 32)  # the first window of 4 x 4 patches of 8 pixels
    with torch.no_grad():
        embedded, other = (visual._embeds(normalize(x))[:, rows] for x in (images, changed))
        one, two = (locate_apart(visual, x, len(windows)) for x in (embedded, other))
        together = locate_apart(visual, embedded, 1)
        torch.testing.assert_close(together, locate(visual, embedded))
    torch.testing.assert_close(one[:, 16:], two[:, 16:])
    assert not torch.allclose(one[:, :16], two[:, :16])


def test_an_export_reads_the_same_by_us_and_by_open_clip(tmp_path: Path, pictures: Renders) -> None:
    import open_clip

    trainer = Trainer(SMALL, pictures)
    for _ in range(3):
        trainer.train_step()
    trainer.export(tmp_path / "a")
    ours = load(tmp_path / "a")
    theirs, _, _ = open_clip.create_model_and_transforms(f"local-dir:{tmp_path / 'a'}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tmp_path / 'a'}")
    images = torch.rand(2, 3, 96, 96)
    prompts = PromptPack.load("endoscopy").confounder_prompts()
    with torch.no_grad():
        features = ours.tower(ours.tower.normalize(images))
        image = theirs.encode_image(normalize(images))
        text = theirs.encode_text(tokenizer(prompts), normalize=True)
    torch.testing.assert_close(features.pooled, image, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(features.dense.mean((2, 3)), image, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.encode_text(prompts), text, rtol=1e-4, atol=1e-4)
    export(theirs, tmp_path / "b")
    weights = [tmp_path / x / "open_clip_model.safetensors" for x in "ab"]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_run_that_was_stopped_ends_at_the_same_weights(tmp_path: Path, pictures: Renders) -> None:
    through, first = Trainer(SMALL, pictures), Trainer(SMALL, pictures)
    for _ in range(2):
        through.train_step()
    first.train_step()
    first.save(tmp_path)
    second = Trainer(SMALL, pictures)
    second.restore(tmp_path)
    second.train_step()
    expected = through.clip.state_dict()
    assert all(torch.equal(value, expected[k]) for k, value in second.clip.state_dict().items())
    with pytest.raises(RunFolderError, match=r"other settings \(lr differ\).*--run"):
        train(SMALL.model_copy(update={"lr": 0.1}), tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_words_that_no_caption_holds_are_neutral(tmp_path: Path, pictures: Renders) -> None:
    trainer = Trainer(SMALL, pictures)
    trainer.export(tmp_path)
    encode = load(tmp_path).encode_text
    dog, car = encode(["a dog", "a car"])
    polyp, cyst = encode(["a polyp", "a cyst"])
    torch.testing.assert_close(dog, car)
    assert not torch.allclose(polyp, cyst)


def test_lesion_pixels_are_counted_under_the_selected_locations() -> None:
    lesion = torch.zeros(2, 8, 8, dtype=torch.bool)
    lesion[0, :4, :2] = True
    lesion[1, 7, 7] = True
    index = torch.tensor([[0, 3], [0, 3]])
    assert lesion_kept(index, (2, 2), lesion).tolist() == [1.0, 1.0]
    assert lesion_kept(torch.tensor([[0], [0]]), (4, 4), lesion).tolist() == [0.5, 0.0]
    assert lesion_kept(index, (2, 2), lesion & False).isnan().all()


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--steps", 0, "expected greater than or equal to 1, found 0"),
        ("--lr", 0, "expected greater than 0, found 0.0"),
        ("--batch-size", 1, "expected 2 (processes) to 30000 (pictures), found 1"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_one_sentence(
    flag: str, value: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", flag, str(value)]) == 2
    assert capsys.readouterr().err == f"error: {flag}: {words}\n"


def test_without_tyro_the_command_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tyro", None)
    assert main(["evaluate"]) == 2
    assert capsys.readouterr().err == (
        "error: the command line needs tyro, which is not installed; "
        'run `pip install "deconfound[recipes]"`\n'
    )


def test_a_run_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="cannot be made"):
        train(SMALL, tmp_path / "file" / "run", tmp_path / "out")


def test_two_processes_train_and_export(tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"steps": 2, "processes": 2})
    train(settings, tmp_path / "run", tmp_path / "out")
    assert load(tmp_path / "out").embed_dim == load("mini").embed_dim
    log = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [2]


def fails_in_one_process(rank: int, threads: int, error: BaseException) -> None:
    assert torch.get_num_threads() == threads
    if rank == 1:
        raise error
    time.sleep(60)  # as one waits for the others' gradients


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RunFolderError("x: cannot be written"), "^x: cannot be written$"),
        (SystemExit(9), "expected every process to finish, found that process 1 terminated"),
    ],
)
def test_what_ends_one_of_several_processes_is_one_sentence(
    error: BaseException, words: str, tmp_path: Path
) -> None:
    with pytest.raises(RunFolderError, match=words):
        launch(fails_in_one_process, 2, 2, tmp_path, 2, error)


def test_a_trial_leaves_the_bundled_model_alone(tmp_path: Path, monkeypatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr("recipes.mini_vlm.train.train", lambda *given: told.extend(given))
    assert main(["train", "--run", str(tmp_path)]) == 0
    assert told[1:] == [tmp_path, tmp_path / "model", 1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--n", "1"], "--n must be 2 or more"),
        (["--seed", "-1"], "--seed must be 0 or more"),
        (["--vlm", "minni"], "did you mean mini?"),
        (["--pack", "endoskopy"], "did you mean endoscopy"),
    ],
)
def test_an_evaluation_that_cannot_be_is_one_sentence(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--json", *flags]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_pack_that_does_not_name_what_is_rendered_is_refused(tmp_path: Path) -> None:
    import yaml

    pack = PromptPack.load("endoscopy").to_mapping()
    pack["classes"] = pack["classes"][::-1]
    path = tmp_path / "turned.yaml"
    path.write_text(yaml.safe_dump(pack))
    with pytest.raises(ConfigurationError, match="renders cannot test it"):
        evaluate.evaluate("mini", 10, pack=str(path))


def test_the_shipped_files_are_small_and_whole() -> None:
    weights = MINI_FOLDER / "open_clip_model.safetensors"
    assert weights.stat().st_size <= 12_000_000
    assert {p.name for p in MINI_FOLDER.iterdir()} >= {"open_clip_config.json", "MODEL_CARD.md"}
    PromptPack.load("endoscopy").check_context(load("mini").count_tokens, 32)


def test_the_shipped_weights_are_good_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--n", "300", "--seed", "777", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    for name, needed in NEEDS.items():
        assert figures[name]["value"] >= needed, name


def test_evaluation_is_the_same_every_time() -> None:
    assert evaluate.evaluate("mini", 40, 5) == evaluate.evaluate("mini", 40, 5)
