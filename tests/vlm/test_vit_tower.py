"""open_clip's transformers: pooled as open_clip, dense in the joint space, any size."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError, ShapeError, UnknownNameError
from deconfound.vlm import DENSE_VARIANTS, VisionLanguageModel, ViTTower
from deconfound.vlm.positions import nearest_multiple, resize_positions
from tests.vlm.towers import CUSTOM, DIM, VIT, VITS, clip_of, config_of, images_for, vlm_of

EVERY_DENSE = ("native", *DENSE_VARIANTS)


@pytest.mark.parametrize("vision", VITS.values(), ids=VITS)
@pytest.mark.parametrize("dense", ["auto", "sclip"])
def test_pooled_is_what_open_clip_encodes(vision, dense):
    clip = clip_of(vision)
    vlm = VisionLanguageModel.from_open_clip(clip, config_of(vision), dense=dense)
    images = images_for(vlm)
    with torch.no_grad():
        found = vlm.tower(images)
        expected = clip.encode_image(images)
    torch.testing.assert_close(found.pooled, expected)
    height, width = vlm.tower.image_size
    grid = (height // vlm.tower.patch_size, width // vlm.tower.patch_size)
    assert found.dense.shape == (2, DIM, *grid)
    assert [tuple(stage.shape) for stage in found.stages] == [
        (2, channels, *grid) for channels in vlm.tower.stage_channels
    ]


def test_pooled_is_what_coca_encodes():
    vision = {**VITS["attentional"], "output_tokens": True}
    text = {"embed_cls": True, "output_tokens": True}
    decoder = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    extra = {"multimodal_cfg": decoder, "custom_text": True}
    config = config_of(vision, **extra)
    config["text_cfg"] = {**config["text_cfg"], **text}
    from deconfound.vlm.architecture import build_clip

    clip = build_clip(config).eval()
    vlm = VisionLanguageModel.from_open_clip(clip, config)
    images = images_for(vlm)
    with torch.no_grad():
        expected = clip.encode_image(images, normalize=False)
        torch.testing.assert_close(vlm.tower(images).pooled, expected)
        assert vlm.encode_text(["a polyp"]).shape == (1, DIM)


def test_dense_features_average_to_the_pooled_where_pooling_is_an_average():
    vlm = vlm_of(VITS["average"])
    assert vlm.tower.dense == "native"
    found = vlm.tower(images_for(vlm))
    torch.testing.assert_close(found.dense.mean(dim=(2, 3)), found.pooled)


def test_dense_features_are_what_the_pooler_gives_for_one_location_alone():
    vlm = vlm_of(VITS["attentional"])
    visual, images = vlm.tower.visual, images_for(vlm)
    found = vlm.tower(images)
    tokens = found.stages[-1].flatten(2).transpose(1, 2)
    for location in range(tokens.shape[1]):
        alone = visual.attn_pool(tokens[:, location : location + 1])[:, 0]
        expected = visual.ln_post(alone) @ visual.proj
        torch.testing.assert_close(found.dense.flatten(2)[:, :, location], expected)


def test_auto_reads_tokens_natively_only_where_pooling_aligned_them():
    chosen = {name: vlm_of(vision).tower.dense for name, vision in VITS.items()}
    native = {"average", "average, norm after", "attentional", "attentional, same width"}
    assert {name for name, dense in chosen.items() if dense == "native"} == native
    assert {dense for name, dense in chosen.items() if name not in native} == {"maskclip"}


def test_stages_are_the_hidden_tokens_of_evenly_spaced_blocks():
    vlm = vlm_of({**VIT, "layers": 8})
    assert vlm.tower.stage_blocks == (1, 3, 5, 7)
    images = images_for(vlm)
    found = vlm.tower.visual.forward_intermediates(images, indices=[1, 3, 5, 7])
    for stage, expected in zip(vlm.tower(images).stages, found["image_intermediates"], strict=True):
        torch.testing.assert_close(stage, expected)


@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_any_size_is_read_at_the_nearest_multiple_of_the_patch(height, width):
    vlm = vlm_of(VITS["patch 14"])
    with torch.no_grad():
        found = vlm.tower(torch.randn(1, 3, height, width))
    grid = vlm.tower.grid_size(height, width)
    assert found.dense.shape[-2:] == grid == found.stages[0].shape[-2:]
    for side, locations in zip((height, width), grid, strict=True):
        assert locations == 1 or abs(side - 14 * locations) <= 7
    assert torch.isfinite(found.dense).all()


def test_another_size_leaves_the_position_embeddings_as_they_are():
    vlm = vlm_of(VIT)
    before = copy.deepcopy(vlm.tower.state_dict())
    vlm.tower(torch.randn(1, 3, 75, 101))
    after = vlm.tower.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_positions_at_their_own_grid_are_the_very_tensor():
    positions = torch.randn(1 + 12, 5)
    assert resize_positions(positions, (3, 4), (3, 4)) is positions


@given(
    st.tuples(st.integers(2, 6), st.integers(2, 6)), st.tuples(st.integers(1, 9), st.integers(1, 9))
)
def test_resized_positions_keep_the_class_token_and_constants(native, grid):
    positions = torch.full((1 + native[0] * native[1], 3), 0.7)
    positions[0] = -1.0
    resized = resize_positions(positions, native, grid)
    assert resized.shape == (1 + grid[0] * grid[1], 3)
    assert (resized[0] == -1.0).all()
    torch.testing.assert_close(resized[1:], torch.full_like(resized[1:], 0.7))


def test_positions_are_resized_bicubically_about_the_centres_of_their_cells():
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
    impulse = torch.zeros(6, 8)
    impulse[3, 4] = 1.0
    maps = torch.stack([rows, columns, impulse], dim=-1)
    positions = torch.cat([torch.zeros(1, 3), maps.flatten(0, 1)])
    resized = resize_positions(positions, (6, 8), (12, 16))[1:].reshape(12, 16, 3)
    # Away from the border a ramp stays nearly a ramp (torch's cubic has a = -0.75, not -0.5), and
    # only a cubic overshoots around an impulse.
    expected_rows = (torch.arange(12.0) + 0.5) / 2 - 0.5
    expected_columns = (torch.arange(16.0) + 0.5) / 2 - 0.5
    assert (resized[4:8, 8, 0] - expected_rows[4:8]).abs().max() < 0.1
    assert (resized[6, 4:12, 1] - expected_columns[4:12]).abs().max() < 0.1
    assert resized[..., 2].min() < -0.01


@given(st.integers(1, 2000), st.sampled_from([8, 14, 16, 32]))
def test_nearest_multiple_is_the_nearest(size, multiple):
    found = nearest_multiple(size, multiple)
    assert found % multiple == 0
    assert found >= multiple
    others = (found - multiple, found + multiple)
    assert all(abs(size - found) <= abs(size - other) for other in others if other > 0)


def test_resized_positions_have_the_gradient_of_the_stored_ones():
    positions = torch.randn(1 + 4, 3, requires_grad=True)
    resize_positions(positions, (2, 2), (5, 3)).sum().backward()
    assert positions.grad is not None
    assert positions.grad.abs().min() > 0


@pytest.mark.parametrize("dense", EVERY_DENSE)
def test_a_batch_is_its_images_one_by_one(dense):
    vlm = vlm_of(VIT, dense)
    images = images_for(vlm, 3)
    together = vlm.tower(images)
    for i in range(3):
        alone = vlm.tower(images[i : i + 1])
        torch.testing.assert_close(alone.dense[0], together.dense[i])
        torch.testing.assert_close(alone.pooled[0], together.pooled[i])


@pytest.mark.parametrize("dense", EVERY_DENSE)
def test_patches_are_embedded_once_and_no_hook_stays(dense, monkeypatch):
    tower = vlm_of(VIT, dense).tower
    calls = []
    for module in (tower.visual.conv1, *tower.blocks()):
        run = module.forward
        monkeypatch.setattr(
            module, "forward", lambda *a, run=run, m=module: calls.append(m) or run(*a)
        )
    tower(torch.randn(1, 3, 32, 32))
    assert calls == [tower.visual.conv1, *tower.blocks()]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in tower.modules())


@pytest.fixture
def compiler() -> None:
    """Start without the graphs of other tests, which would count as recompilations."""
    torch.compiler.reset()


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("dense", ["native", "sclip", "nacl"])
def test_it_compiles_to_one_graph(dense):
    tower = vlm_of(VIT, dense).tower
    images = torch.randn(1, 3, 40, 32)
    compiled = torch.compile(tower, fullgraph=True, backend="eager")(images)
    eager = tower(images)
    torch.testing.assert_close(compiled.dense, eager.dense)
    torch.testing.assert_close(compiled.pooled, eager.pooled)


def test_patch_dropout_never_drops_a_location():
    vlm = vlm_of({**VIT, "patch_dropout": 0.5})
    images = images_for(vlm)
    evaluated = vlm.tower(images)
    torch.testing.assert_close(vlm.tower.train()(images).dense, evaluated.dense)


def test_normalize_uses_the_statistics_the_tower_was_trained_on():
    config = {
        "model_cfg": config_of(VIT),
        "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.1, 0.4]},
    }
    tower = VisionLanguageModel.from_open_clip(clip_of(VIT), config).tower
    images = torch.rand(2, 3, 8, 8)
    expected = torch.stack(
        [
            (images[:, i] - m) / s
            for i, (m, s) in enumerate(zip(tower.mean, tower.std, strict=True))
        ],
        dim=1,
    )
    assert tower.mean == (0.5, 0.4, 0.3)
    torch.testing.assert_close(tower.normalize(images), expected)


def test_openai_statistics_are_the_default():
    assert vlm_of(VIT).tower.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))


def test_images_of_another_shape_are_refused():
    with pytest.raises(
        ShapeError, match=r"ViTTower expects images \(B, 3, H, W\), got \(3, 8, 8\)"
    ):
        vlm_of(VIT).tower(torch.rand(3, 8, 8))


def test_an_unknown_dense_variant_is_answered_with_the_near_ones():
    with pytest.raises(UnknownNameError, match=r"'mascclip'; did you mean maskclip"):
        vlm_of(VIT, "mascclip")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({**COCA_TWO, "width": DIM, "head_width": 4}, "pools with two poolers")
        for COCA_TWO in [{"attentional_pool": "cascade", "attn_pooler_heads": 2}]
    ]
    + [
        ({"pool_type": "none"}, "pool_type='none' gives no image embedding"),
        ({**CUSTOM, "qk_norm": False, "scaled_cosine_attn": True}, "scaled_cosine_attn"),
        ({"patch_size": [8, 16]}, "expected square patches, got"),
    ],
)
def test_what_has_no_place_in_the_joint_space_is_refused(change, reason):
    with pytest.raises(ConfigurationError, match=reason):
        vlm_of({**VIT, **change})


def test_with_dense_shares_the_weights():
    tower = vlm_of(VIT).tower
    other = tower.with_dense("nacl")
    assert isinstance(other, ViTTower)
    assert other.dense == "nacl"
    assert other.visual is tower.visual
    tower.set_trainable(1)
    assert tower.with_dense("sclip").trainable == 1


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("what", ["frozen", 1])
def test_a_trained_or_frozen_tower_compiles_to_one_graph(what):
    tower = vlm_of(VIT).tower.set_trainable(what).train()
    images = torch.randn(1, 3, 32, 32)
    compiled = torch.compile(tower, fullgraph=True, backend="aot_eager")(images)
    assert compiled.pooled.requires_grad == (what != "frozen")
    torch.testing.assert_close(compiled.dense, tower(images).dense)


@pytest.mark.parametrize("dense", EVERY_DENSE)
def test_it_runs_in_half_precision_and_under_autocast(dense):
    vlm = vlm_of(VIT, dense)
    images = torch.randn(2, 3, 40, 32)
    expected = vlm.tower(images).dense
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = vlm.tower(images).dense
    halved = vlm.tower.bfloat16()(images.bfloat16()).dense
    for found in (mixed, halved):
        assert found.dtype == torch.bfloat16
        assert (found - expected).abs().max() < 0.05 * expected.abs().max()
