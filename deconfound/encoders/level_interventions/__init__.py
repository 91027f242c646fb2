"""Interventions on the encoder's levels, skip connections included."""

from deconfound.encoders.level_interventions.base import LevelIntervention, level_interventions
from deconfound.encoders.level_interventions.content_style import ContentAndStyle, ContentStyle
from deconfound.encoders.level_interventions.erasure import LevelErasure
from deconfound.encoders.level_interventions.identity import LevelIdentity
from deconfound.encoders.level_interventions.mixstyle import MixStyle
from deconfound.encoders.level_interventions.observing import logits_under_each, observe_levels
from deconfound.encoders.level_interventions.statistics import FeatureStatistics
from deconfound.encoders.level_interventions.text_film import TextFiLM

__all__ = [
    "ContentAndStyle",
    "ContentStyle",
    "FeatureStatistics",
    "LevelErasure",
    "LevelIdentity",
    "LevelIntervention",
    "MixStyle",
    "TextFiLM",
    "level_interventions",
    "logits_under_each",
    "observe_levels",
]
