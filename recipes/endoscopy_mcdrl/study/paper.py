"""What MCDRL (arXiv 2508.05008) published, in percent: for the eye, beside our own figures.

Another data, another training: nothing here is compared by a test. Numbers that contradict each
other in the paper are kept as they are; docs/parity.md lists them.
"""

from __future__ import annotations

MAIN: dict[tuple[str, str], tuple[float, float, float]] = {
    ("ViT-L/14", "baseline"): (75.1, 68.3, 90.9),
    ("ViT-L/14", "stylip"): (78.3, 71.2, 92.5),
    ("ViT-L/14", "biomedcoop"): (79.4, 72.4, 93.2),
    ("ViT-L/14", "mcdrl"): (81.6, 74.3, 94.3),
}
"""Table 1, mean of five sites by backbone and method: Dice, IoU, accuracy."""

RN50_MCDRL_DICE = 78.6
"""Table 1, the smallest backbone."""

LESIONS: dict[str, dict[str, float]] = {
    "baseline": {
        "polyp": 78.2, "tumor": 76.5, "inflammation": 74.4, "nodule": 73.5, "cyst": 75.6,
    },
    "biomedcoop": {
        "polyp": 81.5, "tumor": 79.8, "inflammation": 77.3, "nodule": 78.5, "cyst": 75.6,
    },
    "mcdrl": {
        "polyp": 83.9, "tumor": 82.2, "inflammation": 80.1, "nodule": 84.9, "cyst": 80.8,
    },
}  # fmt: skip
"""Table 2, Dice by lesion, ViT-L/14."""

MODULES: dict[str, float] = {
    "baseline": 69.37,
    "mcdrl_without_mtrs": 80.47,
    "mcdrl_without_cdrl": 78.71,
    "mcdrl": 88.46,
}
"""Table 3, mean Dice; far above Table 1, and the paper does not say why."""

DICTIONARY: dict[int, float] = {3: 76.7, 12: 81.6, 15: 81.4}
"""Table 4, mean Dice by number of prompts, as far as we know it."""

DEPTH: dict[int, tuple[float | None, float, float]] = {
    1: (78.7, 12.4, 142.0),
    3: (None, 24.9, 215.0),
    5: (82.0, 37.5, 290.0),
}
"""Table 5 by number of layers, as far as we know it: mean Dice, parameters in millions, ms."""
