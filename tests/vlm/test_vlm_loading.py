"""Models from folders, files and the hub, and one sentence for all that can be wrong there."""

from __future__ import annotations

import json
import logging
import shutil

import huggingface_hub
import open_clip
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from deconfound.errors import ConfigurationError, WeightsError
from deconfound.vlm import load
from deconfound.vlm.loading import MINI_FOLDER
from tests.vlm.towers import RESNET, VIT, clip_of, config_of, save_folder

WEIGHTS = "open_clip_model.safetensors"
CONFIG = "open_clip_config.json"


@pytest.fixture
def clip():
    return clip_of(VIT)


@pytest.fixture
def folder(tmp_path, clip):
    return save_folder(tmp_path / "model", clip, config_of(VIT), mean=[0.5] * 3, std=[0.25] * 3)


def refusal(source) -> str:
    with pytest.raises(WeightsError) as caught:
        load(source)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("ask", [str, lambda folder: folder, lambda folder: folder / WEIGHTS])
def test_a_folder_and_its_file_give_the_model(folder, clip, ask):
    vlm = load(ask(folder))
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = clip.half().float().encode_image(images)
        torch.testing.assert_close(vlm.tower(images).pooled, expected)
    assert vlm.tower.visual.conv1.weight.dtype == torch.float32
    assert (vlm.tower.mean, vlm.tower.std) == ((0.5,) * 3, (0.25,) * 3)
    assert vlm.name == str(ask(folder))
    assert vlm.context_length == 16
    assert not vlm.tower.training


def test_open_clip_reads_the_same_folder_alike(folder):
    theirs, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    theirs.eval()
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(load(folder).tower(images).pooled, theirs.encode_image(images))


def test_a_resnet_folder_gives_the_model(tmp_path):
    clip = clip_of(RESNET)
    vlm = load(save_folder(tmp_path / "resnet", clip, config_of(RESNET)))
    assert vlm.tower(torch.randn(1, 3, 64, 64)).pooled.isfinite().all()


def test_the_dense_variant_can_be_chosen(folder):
    assert load(folder, dense="clearclip").tower.dense == "clearclip"


def test_one_file_under_another_name_is_found(folder):
    (folder / WEIGHTS).rename(folder / "weights.safetensors")
    assert load(folder).embed_dim == 12
    shutil.copy(folder / "weights.safetensors", folder / "more.safetensors")
    assert f"more.safetensors, weights.safetensors; rename the one to use to {WEIGHTS}" in refusal(
        folder
    )


def test_missing_files_are_named(folder, tmp_path):
    (folder / CONFIG).rename(tmp_path / "away.json")
    assert f"{folder / CONFIG} does not exist; expected open_clip's" in refusal(folder)
    (folder / WEIGHTS).unlink()
    assert f"{folder} holds no weights; expected {WEIGHTS}" in refusal(folder)


@pytest.mark.parametrize(
    "name", ["nowhere/at/all", "./nowhere", "~/nowhere-at-all", "gone.safetensors"]
)
def test_a_path_to_nothing_is_named(name):
    assert "does not exist; expected a model folder or a .safetensors file" in refusal(name)


UNUSABLE = (
    "{",
    "[]",
    '{"model_cfg": {"embed_dim": 3}}',
    '{"embed_dim": 3, "vision_cfg": 4, "text_cfg": {}}',
    "\x00\xff",
)


@pytest.mark.parametrize("content", UNUSABLE)
def test_an_unusable_configuration_is_named(folder, content):
    (folder / CONFIG).write_text(content, encoding="latin-1")
    message = refusal(folder)
    assert str(folder / CONFIG) in message
    assert "is not readable JSON" in message or "is no open_clip configuration" in message


def test_a_truncated_file_is_named(folder):
    content = (folder / WEIGHTS).read_bytes()
    for size in (0, 4, 100, len(content) - 1):
        (folder / WEIGHTS).write_bytes(content[:size])
        assert f"{folder / WEIGHTS} cannot be read as safetensors" in refusal(folder)


def test_weights_of_another_model_are_told_apart(folder):
    state = load_file(folder / WEIGHTS)
    name = "visual.proj"
    for change, reason in (
        (
            {k: v for k, v in state.items() if k != name},
            f"1 expected tensors are missing (such as {name})",
        ),
        ({**state, "other": torch.ones(2)}, "1 tensors are not of this model (such as other)"),
        ({**state, name: torch.ones(3, 4)}, f"(such as {name}, expected (32, 12), found (3, 4))"),
        ({"nothing": torch.ones(1)}, "tensors are not of this model (such as nothing)"),
    ):
        save_file(change, folder / WEIGHTS)
        message = refusal(folder)
        assert f"{folder / WEIGHTS} does not fit its model configuration" in message
        assert reason in message


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".tar", ".npz", ""])
def test_a_pickle_is_refused_unopened_with_the_way_to_convert_it(tmp_path, suffix):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was opened",))

    path = tmp_path / f"model{suffix}"
    torch.save({"weight": Bomb()}, path)
    message = refusal(path)
    assert f"{path} is no .safetensors file" in message
    assert "safetensors.torch.save_file" in message
    assert "into which a pickle is converted" in refusal(tmp_path)


def test_a_configuration_in_place_of_the_weights_is_no_safetensors_file(folder):
    assert f"{folder / CONFIG} is no .safetensors file" in refusal(folder / CONFIG)


def test_a_pickle_under_another_name_is_no_safetensors_file(folder):
    torch.save({"a": torch.ones(1)}, folder / WEIGHTS)
    assert "cannot be read as safetensors" in refusal(folder)


def offline(monkeypatch, error: Exception) -> list[tuple[str, str]]:
    asked = []

    def fetch(repository, file):
        asked.append((repository, file))
        logging.getLogger("huggingface_hub").warning("retrying")
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    return asked


@pytest.mark.parametrize(
    "error", [LocalEntryNotFoundError("no cache"), OSError("no route"), RuntimeError("boom")]
)
def test_without_a_connection_one_sentence_says_what_to_do(monkeypatch, caplog, error):
    asked = offline(monkeypatch, error)
    message = refusal("ViT-L-14/openai")
    assert "weights of ViT-L-14-quickgelu/openai could not be downloaded" in message
    assert type(error).__name__ in message
    assert "pass their folder, or set HF_HOME" in message
    assert asked == [("timm/vit_large_patch14_clip_224.openai", WEIGHTS)]
    assert not caplog.records


def test_the_safetensors_beside_a_published_pickle_is_asked_for(monkeypatch):
    asked = offline(monkeypatch, OSError("no route"))
    refusal("ViTamin-S/datacomp1b")
    assert asked == [("jienengchen/ViTamin-S", "pytorch_model.safetensors")]


def test_weights_that_are_only_a_pickle_are_refused(monkeypatch):
    offline(monkeypatch, EntryNotFoundError("404"))
    assert "published as a pickle only" in refusal("ViTamin-S/datacomp1b")
    monkeypatch.setitem(
        open_clip.pretrained._PRETRAINED["RN50"], "by_url", {"url": "https://example.org/a.pt"}
    )
    assert "published as a pickle only" in refusal("RN50/by_url")


@pytest.mark.parametrize("quick", [False, True])
def test_a_published_model_is_downloaded_and_loaded(monkeypatch, tmp_path, quick):
    model = {"quick_gelu": True} if quick else {}
    clip = clip_of(VIT, **model)
    folder = save_folder(tmp_path / "hub", clip, config_of(VIT))
    published = {"hf_hub": "some/where/", "mean": (0.1,) * 3, "std": (0.2,) * 3, **model}
    for name in ("Tiny", "Tiny-quickgelu"):
        config = config_of(VIT, quick_gelu=name != "Tiny")
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, config)
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED, name, {"tag": published})
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo, file: folder / file)
    vlm = load("Tiny/tag")
    assert vlm.name == ("Tiny-quickgelu/tag" if quick else "Tiny/tag")
    assert vlm.tower.spec["quick_gelu"] == quick
    assert vlm.tower.mean == (0.1,) * 3
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = clip.half().float().encode_image(images)
        torch.testing.assert_close(vlm.tower(images).pooled, expected)


def test_a_tokenizer_out_of_reach_is_one_sentence(folder, monkeypatch):
    config = config_of(VIT)
    config["text_cfg"] = {**config["text_cfg"], "hf_tokenizer_name": "some/bert"}
    (folder / CONFIG).write_text(json.dumps({"model_cfg": config}))

    def unreachable(name):
        raise OSError("some/bert\nis not a local folder")

    monkeypatch.setattr(open_clip, "get_tokenizer", unreachable)
    message = refusal(folder)
    assert f"the tokenizer of {folder} could not be loaded (some/bert is not a local" in message


@pytest.mark.skipif(not MINI_FOLDER.is_dir(), reason="the bundled model has not been trained yet")
def test_the_bundled_model_reads_images_and_text():
    vlm = load("mini")
    assert vlm.name == "mini"
    found = vlm.tower(vlm.tower.normalize(torch.rand(2, 3, 96, 96)))
    assert found.dense.shape[:2] == (2, vlm.embed_dim)
    assert vlm.encode_text(["a polyp in an endoscopic image"]).isfinite().all()
    size = sum(path.stat().st_size for path in MINI_FOLDER.iterdir())
    assert size <= 12_000_000


@pytest.mark.parametrize("preprocess", [{"mean": [0.5]}, {"std": [0.1, 0.0, 0.1]}])
def test_unusable_preprocessing_is_one_sentence(tmp_path, clip, preprocess):
    folder = save_folder(tmp_path / "model", clip, config_of(VIT), **preprocess)
    with pytest.raises(ConfigurationError, match="expected three means and three positive"):
        load(folder)
