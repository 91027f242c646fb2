"""A module is left in the mode that it was found in."""

from __future__ import annotations

import pytest
from torch import nn

from deconfound.evaluating import evaluating


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("end", [None, KeyboardInterrupt, ValueError])
def test_a_module_is_as_it_was_however_it_ends(
    training: bool, end: type[BaseException] | None
) -> None:
    module = nn.Sequential(nn.Dropout()).train(training)
    try:
        with evaluating(module):
            assert not module[0].training
            if end:
                raise end
    except (KeyboardInterrupt, ValueError):
        pass
    assert module.training == module[0].training == training
