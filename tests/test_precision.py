"""Double precision on whatever device there is."""

from __future__ import annotations

import pytest
import torch

from deconfound.precision import in_double

THERE = {
    "cpu": True,
    "cuda": torch.cuda.is_available(),
    "mps": torch.backends.mps.is_available(),
}


@pytest.mark.parametrize("device", [device for device, there in THERE.items() if there])
def test_values_are_the_same_in_double_precision(device: str) -> None:
    values = torch.randn(5, 4, requires_grad=True)
    found = in_double(values.to(device).T)
    assert found.dtype == torch.float64
    assert not found.requires_grad
    assert torch.equal(found.cpu(), values.detach().double().T)
