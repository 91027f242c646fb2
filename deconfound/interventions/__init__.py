"""How to adjust: intervention layers."""

from deconfound.interventions.base import HasEffects, InterventionLayer, interventions
from deconfound.interventions.cross_attention import CrossAttentionIntervention
from deconfound.interventions.identity import Identity

__all__ = [
    "CrossAttentionIntervention",
    "HasEffects",
    "Identity",
    "InterventionLayer",
    "interventions",
]
