"""The promises of a do(z) on pictures, for the tests of whoever writes one."""

from __future__ import annotations

import torch

from deconfound.estimators.doing import Doing, Pictures


def sample_pictures(count: int = 6, size: int = 32, seed: int = 0) -> Pictures:
    """Draw pictures with one round lesion each, of three classes, on grounds of several colours."""
    g = torch.Generator().manual_seed(seed)
    classes = torch.arange(count) % 3
    line = torch.arange(size)
    centre = torch.randint(size // 4, 3 * size // 4, (count, 2, 1, 1), generator=g)
    apart = (line[:, None] - centre[:, 0]) ** 2 + (line[None] - centre[:, 1]) ** 2
    lesion = apart < (size / 6) ** 2
    ground = 0.2 + 0.5 * torch.rand((count, 3, 1, 1), generator=g)
    image = ground + 0.1 * torch.rand((count, 3, size, size), generator=g)
    image = torch.where(lesion[:, None], image * 0.7, image)
    return Pictures(image, lesion * (classes[:, None, None] + 1), classes)


class DoingContract:
    """Subclass it, and give `make`; pytest runs what it promises.

    ::

        class TestMine(DoingContract):
            def make(self, probability):
                return Mine(probability)
    """

    def make(self, probability: float) -> Doing:
        """Return the operation under test."""
        raise NotImplementedError("a subclass of DoingContract returns its operation here")

    def test_pictures_stay_pictures(self) -> None:
        """Shapes, types and the range [0, 1] are kept, and no label is made up."""
        before = sample_pictures()
        after = self.make(1.0)(before, torch.Generator().manual_seed(1))
        assert after.image.shape == before.image.shape
        assert after.image.dtype == before.image.dtype
        assert after.mask.shape == before.mask.shape
        assert after.mask.dtype == before.mask.dtype
        assert after.class_index.shape == before.class_index.shape
        assert 0 <= after.image.min() <= after.image.max() <= 1
        assert set(after.mask.unique().tolist()) <= set(before.mask.unique().tolist())
        assert set(after.class_index.tolist()) <= {-1, *before.class_index.tolist()}

    def test_it_does_something(self) -> None:
        """At probability 1 the pictures change."""
        before = sample_pictures()
        after = self.make(1.0)(before, torch.Generator().manual_seed(1))
        assert not torch.equal(before.image, after.image)

    def test_at_probability_zero_nothing_is_touched(self) -> None:
        """The same pictures come back, bit for bit."""
        before = sample_pictures()
        after = self.make(0.0)(before, torch.Generator().manual_seed(1))
        assert torch.equal(before.image, after.image)
        assert torch.equal(before.mask, after.mask)
        assert torch.equal(before.class_index, after.class_index)

    def test_what_is_drawn_comes_from_the_generator(self) -> None:
        """The same generator gives the same pictures; the global random state is left alone."""
        before, state = sample_pictures(), torch.get_rng_state()
        first = self.make(0.5)(before, torch.Generator().manual_seed(2))
        second = self.make(0.5)(before, torch.Generator().manual_seed(2))
        assert torch.equal(first.image, second.image)
        assert torch.equal(first.mask, second.mask)
        assert torch.equal(torch.get_rng_state(), state)

    def test_what_came_in_is_not_written_to(self) -> None:
        """Datasets keep their pixels in memory: they must not change there."""
        before, kept = sample_pictures(), sample_pictures()
        self.make(1.0)(before, torch.Generator().manual_seed(3))
        assert torch.equal(before.image, kept.image)
        assert torch.equal(before.mask, kept.mask)

    def test_a_saved_operation_is_the_same(self) -> None:
        """`options` are the constructor's arguments."""
        one = self.make(0.3)
        assert type(one)(**one.options()).options() == one.options()
