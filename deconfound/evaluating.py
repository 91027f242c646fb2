"""A module in evaluation for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation, and back as it was, however what is inside ends."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
