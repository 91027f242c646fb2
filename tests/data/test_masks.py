"""What mask values mean is said by a rule, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from deconfound.data import BinaryMask, ClassMask, LabelMask, NamedMask, read_mask
from deconfound.errors import DataError
from tests.data.drawing import blob

M = Path("m.png")
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)
BITS = hnp.arrays(np.uint8, SHAPES, elements=st.integers(0, 1))
LABELS = hnp.arrays(np.uint8, (8, 8), elements=st.integers(0, 9))


@given(BITS, st.sampled_from([1, 255]))
def test_two_values_are_lesion_or_not(bits: np.ndarray, top: int) -> None:
    np.testing.assert_array_equal(BinaryMask()(bits * np.uint8(top), M), bits)


@given(BITS, st.integers(0, 30), st.integers(0, 30))
def test_ringing_does_not_move_the_border(bits: np.ndarray, low: int, high: int) -> None:
    bits[0, 0] = 1
    noisy = np.where(bits, 255 - high, low).astype(np.uint8)
    np.testing.assert_array_equal(BinaryMask()(noisy, M), bits)


def test_a_jpeg_s_lesion_is_the_one_that_was_drawn(tmp_path: Path) -> None:
    mask = blob(255, (200, 160))
    for quality in (50, 75, 95):
        Image.fromarray(mask).convert("RGB").save(tmp_path / "m.jpg", quality=quality)
        found = read_mask(tmp_path / "m.jpg", BinaryMask())
        np.testing.assert_array_equal(found, mask // 255)


@given(LABELS)
def test_a_label_map_is_never_cut_into_a_binary_mask(labels: np.ndarray) -> None:
    if labels.max() <= 1:
        np.testing.assert_array_equal(BinaryMask()(labels, M), labels)
        return
    with pytest.raises(
        DataError, match=r"m\.png: expected a binary mask .* say which are the lesion"
    ):
        BinaryMask()(labels, M)


@given(LABELS)
def test_where_the_class_is_named_one_label_is_the_lesion_and_two_are_refused(
    labels: np.ndarray,
) -> None:
    if len(np.unique(labels[labels > 0])) <= 1:
        np.testing.assert_array_equal(NamedMask()(labels, M), labels > 0)
        return
    with pytest.raises(DataError, match=r"m\.png: expected a binary mask"):
        NamedMask()(labels, M)


@pytest.mark.parametrize("grey", [64, 90, 127])
def test_a_grey_is_no_label(grey: int) -> None:
    with pytest.raises(DataError, match=f"expected a binary mask .*found {grey}"):
        NamedMask()(np.full((8, 8), grey, np.uint8), M)


@given(st.integers(0, 40), st.integers(0, 40))
def test_where_the_class_is_named_black_and_white_is_read_as_ever(low: int, high: int) -> None:
    picture = np.where(np.eye(16, dtype=bool), 255 - high, low).astype(np.uint8)
    np.testing.assert_array_equal(NamedMask()(picture, M), BinaryMask()(picture, M))


def test_a_grey_ramp_is_not_a_binary_mask() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    with pytest.raises(DataError, match=r"0, 1, 2, 3, 4, 5, … \(256 values\)"):
        BinaryMask()(ramp, M)


@given(LABELS, st.sets(st.integers(0, 9), max_size=4))
def test_lesion_labels_and_no_other_are_lesion(labels: np.ndarray, lesion: set[int]) -> None:
    found = LabelMask(tuple(lesion))(labels, M)
    assert found.dtype == np.uint8
    assert [bool(v) for v in found.flat] == [int(v) in lesion for v in labels.flat]


@given(LABELS, st.integers(1, 9))
def test_values_outside_the_classes_are_named(labels: np.ndarray, num_classes: int) -> None:
    others = sorted({int(v) for v in labels.flat if v > num_classes})
    if not others:
        np.testing.assert_array_equal(ClassMask(num_classes)(labels, M), labels)
        return
    listed = ", ".join(map(str, others[:6]))
    with pytest.raises(DataError, match=rf"m\.png: expected the values 0, 1.* found also {listed}"):
        ClassMask(num_classes)(labels, M)


def test_labels_the_dataset_does_not_have_are_refused() -> None:
    with pytest.raises(DataError, match="found also 7; correct the mask"):
        LabelMask((4,), known=tuple(range(7)))(blob(7), M)
