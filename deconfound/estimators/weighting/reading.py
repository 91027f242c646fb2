"""Which confounder does a picture show? The dictionary's own reading, P(z|x)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.types import Confounders

TEMPERATURE = 0.1
"""Of a zero-shot reading where nothing calibrates it; it fits mini."""


def read_posterior(
    pooled: Tensor, confounders: Confounders, temperature: float, bias: Tensor | None = None
) -> Tensor:
    """Return the zero-shot P(z|x) = softmax_z(cos(x, z)/T + b_z + log P(z)).

    Args:
        pooled: image embeddings x in the joint space, (n, d), of any length; or regions (B, N, d).
        confounders: embeddings (M, d), prior (M,). A confounder with prior 0 is never read.
        temperature: T > 0. What a model was trained with (0.01 for CLIP) is usually too sure of
            itself; :func:`calibrate` finds the one that fits.
        bias: b, (M,), the head start of each prompt, from :func:`calibrate`; none by default.

    Returns:
        (n, M) or (B, N, M), one in sum over M, in the dtype of the embeddings.

    Raises:
        ShapeError: embeddings of another width, or a bias that is not (M,).
        ConfigurationError: a temperature that is not positive.
    """
    scores = read_scores(pooled, confounders)
    posterior = to_posterior(scores, confounders.prior.to(scores), temperature, bias)
    return posterior.to(pooled.dtype)


def read_scores(pooled: Tensor, confounders: Confounders) -> Tensor:
    """Return cos(x, z), (n, M): what :func:`calibrate` takes; see `read_posterior` for the rest.

    In single precision at least: in bf16 close scores would tie.
    """
    z = confounders.embeddings
    if pooled.ndim < 2 or pooled.shape[-1:] != z.shape[1:]:
        raise ShapeError(
            f"reading confounders: expected image embeddings (n, {z.shape[-1]}) for a dictionary "
            f"of that width, found {tuple(pooled.shape)}"
        )
    exact = torch.promote_types(pooled.dtype, torch.float32)
    with torch.autocast(pooled.device.type, enabled=False):
        x, z = pooled.to(exact), z.to(pooled.device, exact)
        return F.normalize(x, dim=-1) @ F.normalize(z, dim=-1).T


def to_posterior(
    scores: Tensor, prior: Tensor, temperature: float, bias: Tensor | None = None
) -> Tensor:
    """Return softmax_z(s_z/T + b_z + log P(z)) for scores (n, M) that were read before."""
    if not temperature > 0:
        raise ConfigurationError(
            f"reading confounders: temperature must be > 0, found {temperature}"
        )
    logits = scores / temperature + prior.log()
    if bias is not None:
        if bias.shape != prior.shape:
            raise ShapeError(
                f"reading confounders: expected one bias for each of {len(prior)} confounders, "
                f"found {tuple(bias.shape)}"
            )
        logits = logits + bias.to(logits)
    return logits.softmax(dim=-1)
