"""Double precision, on devices that have none too."""

from __future__ import annotations

from torch import Tensor


def in_double(values: Tensor) -> Tensor:
    """Return the values without gradient in float64: where they lie, or on the CPU for Apple's GPU.

    That one has no float64, and ``.to("cpu", torch.float64)`` from there in one step has been
    wrong without a word, so the move comes first.
    """
    values = values.detach()
    return (values.cpu() if values.device.type == "mps" else values).double()
