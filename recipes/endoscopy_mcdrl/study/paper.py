"""What MCDRL (arXiv 2508.05008) published, in percent: for the eye, beside our own figures.

Another data, another training: nothing here is compared by a test, and every figure is text, with
the digits that were published. Numbers that contradict each other in the paper are kept as they
are; docs/parity.md lists them, and what is not known to us.
"""

from __future__ import annotations

from collections.abc import Mapping

PACK = "endoscopy"
"""The pack whose lesions and sites the paper's figures are of."""

LARGEST = "ViT-L/14"
"""The backbone of Tables 2 and 4, and of most of Table 1 that is known to us."""

MAIN: Mapping[tuple[str, str], Mapping[str, str]] = {
    (LARGEST, "baseline"): {"dice": "75.1", "iou": "68.3", "acc": "90.9"},
    (LARGEST, "stylip"): {"dice": "78.3", "iou": "71.2", "acc": "92.5"},
    (LARGEST, "biomedcoop"): {"dice": "79.4", "iou": "72.4", "acc": "93.2"},
    (LARGEST, "mcdrl"): {"dice": "81.6", "iou": "74.3", "acc": "94.3"},
    ("RN50", "mcdrl"): {"dice": "78.6"},
}
"""Table 1, mean of five sites by backbone, method and metric."""

OVER_BASELINE, OVER_BEST_RIVAL = "+6.5", "+2.0"
"""What the text claims, in points of Dice; by Table 1 the second is 2.2."""

LESIONS: Mapping[str, Mapping[str, str]] = {
    "baseline": {
        "polyp": "78.2", "tumor": "76.5", "inflammation": "74.4", "nodule": "73.5", "cyst": "75.6",
        "mean": "75.6",
    },
    "biomedcoop": {
        "polyp": "81.5", "tumor": "79.8", "inflammation": "77.3", "nodule": "78.5", "cyst": "75.6",
        "mean": "78.5",
    },
    "mcdrl": {
        "polyp": "83.9", "tumor": "82.2", "inflammation": "80.1", "nodule": "84.9", "cyst": "80.8",
        "mean": "82.4",
    },
}  # fmt: skip
"""Table 2, Dice by lesion, ViT-L/14."""

MODULES: Mapping[str, Mapping[str, str]] = {
    "baseline": {
        "BM-BronchoLC": "65.60", "CVC-ClinicDB": "63.15", "ETIS-LaribPolypDB": "68.11",
        "mean": "69.37",
    },
    "mcdrl_without_mtrs": {
        "BM-BronchoLC": "77.09", "CVC-ClinicDB": "80.50", "ETIS-LaribPolypDB": "78.32",
        "mean": "80.47",
    },
    "mcdrl_without_cdrl": {
        "BM-BronchoLC": "79.51", "CVC-ClinicDB": "77.40", "ETIS-LaribPolypDB": "77.29",
        "mean": "78.71",
    },
    "mcdrl": {
        "BM-BronchoLC": "82.53", "CVC-ClinicDB": "88.73", "ETIS-LaribPolypDB": "90.25",
        "mean": "88.46",
    },
}  # fmt: skip
"""Table 3, Dice by site, of A, C and D as far as we know it; the mean is of all five."""

DICTIONARY: Mapping[int, str] = {3: "76.7", 12: "81.6", 15: "81.4"}
"""Table 4, mean Dice by number of prompts, as far as we know it."""

DEPTH: Mapping[int, tuple[str | None, str, str]] = {
    1: ("78.7", "12.4", "142"),
    3: (None, "24.9", "215"),
    5: ("82.0", "37.5", "290"),
}
"""Table 5 by number of layers, as far as we know it: mean Dice, parameters in millions, ms."""


def main_figure(backbone: str, method: str, metric: str) -> str | None:
    """Return what Table 1 says of a method, if it has a figure of this backbone and metric.

    Args:
        backbone: as ``--vlm`` takes it.
        method: our name of it.
        metric: our name of it; pooled scores and distances are not published.
    """
    return MAIN.get((as_written(backbone), method), {}).get(metric)


def lesion_figure(backbone: str, method: str, lesion: str, metric: str) -> str | None:
    """Return what Table 2 says of a lesion, or of their ``mean``, likewise."""
    told = as_written(backbone) == LARGEST and metric == "dice"
    return LESIONS.get(method, {}).get(lesion) if told else None


def as_written(backbone: str) -> str:
    """Return ``ViT-L-14/openai`` as the paper writes it, ``ViT-L/14``."""
    name = backbone.partition("/")[0]
    return "/".join(name.rsplit("-", 1)) if name.startswith("ViT-") else name
