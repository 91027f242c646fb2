"""Interventions on the encoder's levels, skip connections included."""

from deconfound.encoders.level_interventions.base import LevelIntervention, level_interventions
from deconfound.encoders.level_interventions.erasure import LevelErasure
from deconfound.encoders.level_interventions.identity import LevelIdentity
from deconfound.encoders.level_interventions.observing import logits_under_each, observe_levels
from deconfound.encoders.level_interventions.statistics import FeatureStatistics

__all__ = [
    "FeatureStatistics",
    "LevelErasure",
    "LevelIdentity",
    "LevelIntervention",
    "level_interventions",
    "logits_under_each",
    "observe_levels",
]
