"""The names that the simulator shares with the endoscopy pack, in the pack's order."""

from __future__ import annotations

CLASSES: tuple[str, ...] = ("polyp", "tumor", "inflammation", "nodule", "cyst")
"""Lesion classes; a mask holds 1 + the position in this tuple."""

GROUPS: dict[str, tuple[str, ...]] = {
    "field_of_view": ("blur", "artifacts"),
    "lighting": ("bright", "dark", "uneven_lighting"),
    "imaging_technology": ("nbi", "white_light"),
    "distance": ("near_view", "far_view"),
    "surface": ("mucus", "blood", "reflection"),
}
"""The twelve confounders by group (counts 2+3+2+2+3, docs/decisions.md)."""

CONFOUNDERS: tuple[str, ...] = tuple(name for group in GROUPS.values() for name in group)
"""The twelve confounders; the columns of every ``strengths`` tensor."""

EXCLUSIVE: tuple[tuple[str, str], ...] = (
    ("bright", "dark"),
    ("nbi", "white_light"),
    ("near_view", "far_view"),
)
"""Pairs that cannot both be true of one picture, so that sampling never draws both."""

ASSOCIATED: dict[str, str] = {
    "polyp": "nbi",
    "tumor": "dark",
    "inflammation": "white_light",
    "nodule": "near_view",
    "cyst": "bright",
}
"""The confounder that the correlation dial ties to each class.

All five are choices of acquisition, never effects of the lesion, so adjusting for them is right:
polyps are graded under narrow-band imaging, masses shade the tunnel, inflammation is surveyed in
white light, small nodules are approached, and translucent cysts are lit up.
"""
