"""What an eraser follows from, gathered batch by batch: data that do not fit into memory."""

from __future__ import annotations

import torch
from torch import Tensor

from deconfound.errors import DataError, ShapeError
from deconfound.interventions.leace import LeaceEraser
from deconfound.precision import in_double


class RunningCovariances:
    """Running sums of features and posteriors, in double precision; batches may be of any size."""

    def __init__(self) -> None:
        self.count = 0.0
        self.sums: dict[str, Tensor] = {}

    def add(self, features: Tensor, posterior: Tensor) -> None:
        """Count every location of some pictures with its picture's posterior.

        Args:
            features: (B, N, d), N locations each.
            posterior: P(z|x), (B, M), times the weight of the picture, which is the sum of its row.

        Raises:
            ShapeError: posteriors that are not one row per picture.
        """
        if posterior.ndim != 2 or len(posterior) != len(features):
            raise ShapeError(
                f"erasure: expected posteriors ({len(features)}, M), found {tuple(posterior.shape)}"
            )
        x = in_double(features)
        z = in_double(posterior).to(x.device)
        locations, weight = x.shape[1], z.sum(dim=1)
        self.count += locations * weight.sum().item()
        found = {
            "x": weight @ x.sum(dim=1),
            "z": locations * z.sum(dim=0),
            "xx": torch.einsum("b,bnd,bne->de", weight, x, x),
            "xz": x.sum(dim=1).T @ z,
            "zz": locations * (z.square() / weight.clamp_min(1e-12)[:, None]).sum(dim=0),
        }
        self.sums = {key: self.sums.get(key, 0) + value for key, value in found.items()}

    def eraser(self) -> LeaceEraser:
        """Return the eraser of what was counted, in double precision.

        Raises:
            DataError: nothing was counted.
        """
        if not self.count:
            raise DataError("erasure: expected pictures to fit on, found none")
        mean = {key: value / self.count for key, value in self.sums.items()}
        x, z = mean["x"], mean["z"]
        spread = (mean["zz"] - z.square()).sum().clamp_min(0).sqrt()
        return LeaceEraser.from_covariances(
            x, mean["xx"] - torch.outer(x, x), mean["xz"] - torch.outer(x, z), spread
        )
