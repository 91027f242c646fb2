"""What folding the dictionary saves: ``python -m benchmarks.intervention [--json]``.

Method. The same cross-attention layer, forward and backward, on the same regions, computed twice:
folded, as `CrossAttentionLayer` does, and plainly, with q, k, v and output projections around
`scaled_dot_product_attention`. The two take turns within each repeat, after a warm-up that is
thrown away. Reported is the ratio of wall-clock times, plain / folded: median over repeats with the
quartiles.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.interventions.cross_attention import CrossAttentionLayer


def plain(layer: CrossAttentionLayer, features: Tensor, z: Tensor, prior: Tensor) -> Tensor:
    """Return the attention's answer (B, N, d), nothing folded."""
    batch, num_regions, _ = features.shape

    def heads(x: Tensor) -> Tensor:
        return x.unflatten(-1, (layer.heads, -1)).transpose(-2, -3)

    tokens = layer.norm_confounders(z).expand(batch, -1, -1)
    attended = F.scaled_dot_product_attention(
        heads(layer.query(layer.norm_regions(features))),
        heads(layer.key(tokens)),
        heads(layer.value(tokens)),
        attn_mask=prior.log().expand(num_regions, -1),
        scale=layer.scale,
    )
    return layer.out(attended.transpose(-2, -3).flatten(-2))


def folded(layer: CrossAttentionLayer, features: Tensor, z: Tensor, prior: Tensor) -> Tensor:
    """Return the attention's answer (B, N, d), as the layer computes it."""
    weights = layer.attend(features, z, prior)
    return torch.einsum("bnhm,hmd->bnd", weights, layer.folded_values(z))


def measure(
    dim: int, num_regions: int, num_confounders: int, batch: int, repeats: int
) -> dict[str, float | int | str]:
    """Time both forms side by side."""
    torch.manual_seed(0)
    layer = CrossAttentionLayer(dim, heads=8, temperature=1.0, merge="gated")
    features = torch.randn(batch, num_regions, dim, requires_grad=True)
    z = F.normalize(torch.randn(num_confounders, dim), dim=-1)
    prior = torch.full((num_confounders,), 1 / num_confounders)
    difference = (plain(layer, features, z, prior) - folded(layer, features, z, prior)).abs().max()

    def timed(form: Callable[..., Tensor]) -> float:
        start = time.perf_counter()
        form(layer, features, z, prior).sum().backward()
        return time.perf_counter() - start

    pairs = [(timed(plain), timed(folded)) for _ in range(repeats + 1)][1:]
    low, middle, high = statistics.quantiles([p / f for p, f in pairs], n=4)
    return {
        "plain_over_folded": round(middle, 2),
        "quartile_low": round(low, 2),
        "quartile_high": round(high, 2),
        "folded_ms": round(1000 * statistics.median(f for _, f in pairs), 3),
        "largest_difference": float(f"{difference.item():.1e}"),
        "dim": dim,
        "regions": num_regions,
        "confounders": num_confounders,
        "batch": batch,
        "repeats": repeats,
        "threads": torch.get_num_threads(),
        "load_before": round(os.getloadavg()[0], 2),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }


def main() -> None:
    """Read the flags and print the measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intervention", description=__doc__)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--regions", type=int, default=128)
    parser.add_argument("--confounders", type=int, default=12)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    flags = parser.parse_args()
    if flags.repeats < 2 or flags.dim % 8:
        parser.error("--repeats must be 2 or more, and --dim a multiple of 8")
    result = measure(flags.dim, flags.regions, flags.confounders, flags.batch, flags.repeats)
    if flags.json:
        print(json.dumps(result))
        return
    for key, value in result.items():
        print(f"{key:>18}  {value}")


if __name__ == "__main__":
    main()
