"""The whole model: every decoder, every size, every control, saved and loaded."""

from __future__ import annotations

import json
import warnings

import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from deconfound import MTRS, CausalLoss, CausalSegmenter
from deconfound.decoders import ARCHITECTURES, build_decoder
from deconfound.decoders.architectures import levels_read
from deconfound.errors import ConfigurationError, UnknownNameError, WeightsError
from deconfound.interventions import CrossAttentionIntervention, Identity
from tests.tiny import tiny_vlm

# What an architecture needs to be small; the rest of it is SMP's own.
SMALL = {
    "Unet": {"decoder_channels": (16, 16, 8, 8, 8)},
    "UnetPlusPlus": {"decoder_channels": (16, 16, 8, 8, 8)},
    "MAnet": {"decoder_channels": (16, 16, 8, 8, 8), "decoder_pab_channels": 8},
    "FPN": {"decoder_pyramid_channels": 16, "decoder_segmentation_channels": 32},
    "PSPNet": {"psp_out_channels": 16},
    "DeepLabV3": {"decoder_channels": 16},
    "DeepLabV3Plus": {"decoder_channels": 16},
    "PAN": {"decoder_channels": 8},
    "UPerNet": {"decoder_channels": 16},
    "Segformer": {"decoder_segmentation_channels": 16},
    "DPT": {"decoder_fusion_channels": 16, "decoder_intermediate_channels": (8, 8, 8, 8)},
}
HEADS = {"name": "cross_attention", "depth": 1, "heads": 4}


def small(decoder: str = "Unet", vlm: str = "vit", **options) -> CausalSegmenter:
    """A segmenter over its own copy of a tiny tower."""
    spec = {"name": decoder, **SMALL.get(decoder, {})}
    options = {"intervention": HEADS, **options}
    return CausalSegmenter(spec, vlm=tiny_vlm(vlm), **options)


def open_gates(model: CausalSegmenter) -> CausalSegmenter:
    """Move every parameter that starts at zero, so that the intervention reaches the logits."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "gate" in name or "fusion" in name:
                parameter.normal_(std=0.5)
    return model


@pytest.mark.parametrize("vlm", ["vit", "resnet"])
@pytest.mark.parametrize("decoder", ARCHITECTURES)
def test_every_decoder_forward_backward_save_load(decoder: str, vlm: str, tmp_path) -> None:
    model = open_gates(small(decoder, vlm))
    images = torch.randn(2, 3, 64, 96)
    logits = model(images)
    assert logits.shape == (2, 1, 64, 96)
    logits.mean().backward()
    for name, parameter in [
        *model.body.decoder.named_parameters(),
        *model.fusion.named_parameters(),
    ]:
        assert parameter.grad is not None, name
    assert any(p.grad is not None and p.grad.any() for p in model.intervention.parameters())
    model.eval().save_pretrained(tmp_path / "model")
    again = CausalSegmenter.from_pretrained(tmp_path / "model")
    assert torch.equal(again(images), model(images))


@pytest.mark.parametrize(
    "ready",
    [
        lambda: smp.Unet("resnet18", encoder_weights=None, decoder_channels=(16, 16, 8, 8, 8)),
        lambda: smp.FPN("mobilenet_v2", encoder_weights=None, classes=3),
        lambda: smp.Segformer("mit_b0", encoder_weights=None, classes=2),
        lambda: smp.DPT("tu-test_vit", encoder_weights=None, encoder_depth=3,
                        decoder_intermediate_channels=(8, 8, 8), decoder_fusion_channels=16),
    ],
    ids=["Unet-resnet18", "FPN-mobilenet_v2", "Segformer-mit_b0", "DPT-vit"],
)  # fmt: skip
def test_a_ready_smp_model_answers_as_before_until_it_is_trained(ready, tmp_path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = ready().eval()
    side = 160 if isinstance(own, smp.DPT) else 64
    images = torch.randn(2, 3, side, side)
    model = CausalSegmenter(own, vlm=tiny_vlm(), intervention=HEADS).eval()
    assert torch.equal(model(images), own(images))
    open_gates(model)
    assert not torch.equal(model(images), own(images))
    model.save_pretrained(tmp_path)
    assert torch.equal(CausalSegmenter.from_pretrained(tmp_path)(images), model(images))


@pytest.mark.parametrize("vlm", ["vit", "vit14", "resnet"])
@pytest.mark.parametrize("size", [(75, 101), (64, 64), (33, 200), (14, 20)])
def test_logits_come_at_the_size_of_the_input(vlm: str, size: tuple[int, int]) -> None:
    assert small(vlm=vlm).eval()(torch.randn(1, 3, *size)).shape == (1, 1, *size)


def test_a_batch_equals_its_items() -> None:
    model, images = open_gates(small()).eval(), torch.randn(3, 3, 64, 64)
    together = model(images)
    for i in range(3):
        torch.testing.assert_close(model(images[i : i + 1])[0], together[i], atol=1e-4, rtol=1e-4)


def test_alpha_one_equals_no_selection_bit_for_bit() -> None:
    images = torch.randn(2, 3, 64, 64)
    torch.manual_seed(0)
    chosen = small(selector=MTRS(alpha=1.0)).eval()
    everything = small(selector="all").eval()
    everything.load_state_dict(chosen.state_dict())
    for model in (chosen, everything):
        torch.manual_seed(1)
        open_gates(model)
    assert torch.equal(chosen(images), everything(images))


def test_passing_the_intervention_by_equals_the_identity() -> None:
    images, model = torch.randn(2, 3, 64, 64), open_gates(small()).eval()
    model.intervening = False
    bypassed = model(images)
    model.intervention, model.intervening = Identity(), True
    assert torch.equal(model(images), bypassed)


def test_explain_says_what_forward_did() -> None:
    model, images = open_gates(small(classes=6)).eval(), torch.randn(2, 3, 70, 64)
    said = model.explain(images)
    assert torch.equal(said.logits, model(images))
    grid = said.scores.shape[-2:]
    count = model.selector.num_regions(*grid)
    assert said.regions.features.shape == (2, count, 32)
    assert said.intervened.weights.shape == (2, count, 12)
    torch.testing.assert_close(said.intervened.weights.sum(-1), torch.ones(2, count))
    assert said.effects is None
    assert said.confounders.names == model.pack.confounder_names


@pytest.mark.parametrize("train_tower", ["frozen", 1, "all"])
def test_gradients_reach_what_is_trained_and_nothing_else(train_tower) -> None:
    model = open_gates(small(train_tower=train_tower))
    criterion = CausalLoss(model.prompts)
    mask = torch.zeros(2, 64, 64, dtype=torch.int64)
    mask[:, 20:40, 20:40] = 1
    said = model.explain(torch.randn(2, 3, 64, 64))
    criterion(said, mask, torch.tensor([0, 3]))["loss"].backward()
    reached = {n for n, p in model.tower.named_parameters() if p.grad is not None and p.grad.any()}
    blocks = {n.split("resblocks.")[1].split(".")[0] for n in reached if "resblocks." in n}
    assert blocks == {"frozen": set(), 1: {"3"}, "all": {"0", "1", "2", "3"}}[train_tower]
    assert all(p.grad is None for p in model.parameters() if not p.requires_grad)
    assert not any(p.requires_grad for p in model.prompts.parameters())
    for name, parameter in model.intervention.named_parameters():
        assert parameter.grad is not None, name


def test_parameter_groups_hold_every_trainable_parameter_once() -> None:
    model = small(train_tower=2)
    groups = model.parameter_groups(lr=1e-3, tower_factor=0.01)
    assert [g["lr"] for g in groups] == pytest.approx([1e-3, 1e-5])
    grouped = [id(p) for g in groups for p in g["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    assert len(small(train_tower="frozen").parameter_groups(lr=1)) == 1


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    model = open_gates(small())
    mask = torch.randint(0, 2, (2, 64, 64))
    said, labels = model.explain(torch.randn(2, 3, 64, 64)), torch.tensor([1, 4])
    terms = CausalLoss(model.prompts)(said, mask, labels)
    expected = terms["seg"] + 0.5 * terms["causal"] + 0.1 * terms["contrast"]
    torch.testing.assert_close(terms["loss"], expected)
    before = CausalLoss(model.prompts)(said, mask, labels, causal=False)
    assert "causal" not in before
    torch.testing.assert_close(before["loss"], terms["seg"] + 0.1 * terms["contrast"])


def test_a_saved_model_holds_its_prompts_and_no_text_tower(tmp_path) -> None:
    model = small().eval()
    model.save_pretrained(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["pack"]["name"] == "endoscopy"
    again = CausalSegmenter.from_pretrained(tmp_path)
    assert again.pack == model.pack
    torch.testing.assert_close(again.prompts.joint, model.prompts.joint)
    assert not any("token_embedding" in name for name, _ in again.named_parameters())


def test_saved_files_that_do_not_belong_together(tmp_path) -> None:
    small().save_pretrained(tmp_path / "a")
    small(intervention={**HEADS, "depth": 2}).save_pretrained(tmp_path / "b")
    weights, config = tmp_path / "a" / "model.safetensors", tmp_path / "b" / "config.json"
    (tmp_path / "a" / "config.json").write_bytes(config.read_bytes())
    with pytest.raises(WeightsError, match="does not belong to the config"):
        CausalSegmenter.from_pretrained(tmp_path / "a")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        CausalSegmenter.from_pretrained(tmp_path / "a")
    weights.unlink()
    with pytest.raises(WeightsError, match="expected the model's weights, found no file"):
        CausalSegmenter.from_pretrained(tmp_path / "a")
    (tmp_path / "a" / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="not readable JSON"):
        CausalSegmenter.from_pretrained(tmp_path / "a")
    (tmp_path / "a" / "config.json").write_text('{"format": 99}')
    with pytest.raises(WeightsError, match="expected a CausalSegmenter of format 1, found 99"):
        CausalSegmenter.from_pretrained(tmp_path / "a")


def test_a_disk_that_is_full_is_one_sentence(tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("deconfound.saving.save_model", full)
    with pytest.raises(WeightsError, match=r"the model cannot be saved \(I/O error: No space left"):
        small().save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())


def test_damaged_weights_are_named(tmp_path) -> None:
    small().save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    weights["intervention.layers.0.query.weight"][0] = torch.nan
    save_file(weights, path)
    with pytest.raises(WeightsError) as refused:
        CausalSegmenter.from_pretrained(tmp_path)
    assert str(path) in str(refused.value)
    assert "found NaN in intervention.layers.0.query.weight" in str(refused.value)


def test_parts_can_be_given_ready() -> None:
    model = small(selector=MTRS(0.2), intervention=CrossAttentionIntervention(32, depth=2, heads=4))
    assert (model.selector.alpha, len(model.intervention.layers)) == (0.2, 2)
    assert model(torch.randn(1, 3, 64, 64)).shape == (1, 1, 64, 64)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"decoder": "Unett"}, UnknownNameError, "did you mean Unet"),
        ({"selector": "mrts"}, UnknownNameError, "'mrts'; did you mean mtrs?"),
        ({"selector": 3}, ConfigurationError, "expected a region selector, its name, or a mapping"),
        ({"intervention": "cross-attention"}, UnknownNameError, "did you mean cross_attention?"),
        ({"intervention": {**HEADS, "dept": 1}}, UnknownNameError, "did you mean depth"),
        ({"pack": "endoscpy"}, UnknownNameError, "did you mean endoscopy"),
        ({"levels": (0,)}, ConfigurationError, "the decoder reads, [1, 2, 3, 4, 5], found [0]"),
        ({"levels": []}, ConfigurationError, "the decoder reads, [1, 2, 3, 4, 5], found []"),
        ({"levels": "deep"}, ConfigurationError, "levels must be 'auto' or a list of integers"),
        ({"classes": 0}, ConfigurationError, "classes must be at least 1, found 0"),
        ({"decoder": torch.nn.Linear(1, 1)}, ConfigurationError, "found Linear"),
        ({"decoder": 5}, ConfigurationError, "found 5"),
        ({"decoder": {"name": 5}}, ConfigurationError, "needs a `name`"),
        ({"decoder": {"name": "Unet", "activation": "sigmoid"}}, UnknownNameError, "'activation'"),
        ({"decoder": {"name": "FPN", "decoder_droput": 0.1}}, UnknownNameError, "decoder_dropout"),
        ({"decoder": {"name": "DPT", "decoder_intermediate_channels": (1, 2)}}, ConfigurationError,
         "decoder DPT: "),
        ({"decoder": {"name": "DPT", "encoder_depth": 3}}, UnknownNameError, "'encoder_depth'"),
        ({"decoder": {"smp_model": "Unett"}}, UnknownNameError, "did you mean Unet"),
        ({"decoder": {"smp_model": 5}}, ConfigurationError, "needs a `smp_model`"),
        ({"decoder": {"smp_model": "Unet", "encoder_name": "resnet"}}, ConfigurationError,
         "decoder Unet: "),
        ({"decoder": {"smp_model": "Unet", "depth": 3}}, ConfigurationError, "decoder Unet: "),
    ],
)  # fmt: skip
def test_every_mistake_is_one_sentence(options, error, message) -> None:
    with pytest.raises(error) as caught:
        CausalSegmenter(**{"decoder": "Unet", "vlm": tiny_vlm(), "intervention": HEADS, **options})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_levels_a_decoder_reads_are_those_that_matter(architecture: str) -> None:
    channels = (3, 32, 32, 32, 32, 32)
    decoder = build_decoder(architecture, channels, 1).eval()
    strides = [min(2**level, decoder.output_stride) for level in range(decoder.depth + 1)]
    maps = [
        torch.randn(1, c, 128 // s, 128 // s, requires_grad=True)
        for c, s in zip(channels, strides, strict=False)
    ]
    decoder(maps).square().sum().backward()
    felt = tuple(i for i, m in enumerate(maps) if m.grad is not None and m.grad.any())
    assert felt == levels_read(architecture, len(maps))


def test_a_ready_model_brings_its_classes_and_must_be_one_of_smps_own() -> None:
    own = smp.Unet("resnet18", encoder_weights=None, classes=3)
    assert CausalSegmenter(own, vlm=tiny_vlm(), intervention=HEADS).classes == 3

    class Mine(smp.Unet):
        pass

    with pytest.raises(ConfigurationError, match=r"Mine$"):
        CausalSegmenter(Mine("resnet18", encoder_weights=None), vlm=tiny_vlm())
    grey = smp.Unet("resnet18", encoder_weights=None, in_channels=1)
    with pytest.raises(ConfigurationError, match="found in_channels=1"):
        CausalSegmenter(grey, vlm=tiny_vlm())
    sure = smp.Unet("resnet18", encoder_weights=None, activation="sigmoid")
    with pytest.raises(ConfigurationError, match="returns logits, found one with activation=Sigm"):
        CausalSegmenter(sure, vlm=tiny_vlm())


def test_an_smp_model_as_a_mapping_fetches_no_weights(monkeypatch) -> None:
    monkeypatch.setattr(smp.encoders, "hf_hub_download", lambda *_, **__: pytest.fail("fetched"))
    CausalSegmenter({"smp_model": "Unet", "encoder_name": "resnet18"}, vlm=tiny_vlm())


def test_two_segmenters_over_one_ready_model_do_not_share_a_tower() -> None:
    first = CausalSegmenter(vlm=tiny_vlm(), intervention=HEADS, train_tower="all")
    second = CausalSegmenter(vlm=tiny_vlm(), intervention=HEADS)
    assert first.tower is not second.tower
    assert all(p.requires_grad for p in first.tower.visual.transformer.parameters())


def test_a_model_that_passes_its_intervention_by_is_saved_so(tmp_path) -> None:
    model, images = open_gates(small()).eval(), torch.randn(1, 3, 64, 64)
    model.intervening = False
    model.save_pretrained(tmp_path)
    again = CausalSegmenter.from_pretrained(tmp_path)
    assert not again.intervening
    assert torch.equal(again(images), model(images))


@pytest.mark.parametrize(
    ("entry", "value"), [("classes", "many"), ("levels", 3), ("selector", None)]
)
def test_a_wrong_value_in_a_saved_configuration(entry: str, value, tmp_path) -> None:
    small().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, entry: value}))
    with pytest.raises((WeightsError, ConfigurationError)):
        CausalSegmenter.from_pretrained(tmp_path)


def test_scores_under_autocast_are_as_exact_as_without() -> None:
    from deconfound.selectors import similarity_map

    dense, text = torch.randn(1, 32, 28, 28), torch.randn(5, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = similarity_map(dense, text)
    assert torch.equal(inside, similarity_map(dense, text))


def test_smp_knows_nothing_of_us_afterwards() -> None:
    before = set(smp.encoders.encoders)
    small("FPN")
    assert set(smp.encoders.encoders) == before
