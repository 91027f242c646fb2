"""How to adjust: intervention layers."""

from deconfound.interventions.base import HasEffects, InterventionLayer, interventions
from deconfound.interventions.cross_attention import CrossAttentionIntervention
from deconfound.interventions.film import FiLMIntervention
from deconfound.interventions.gated_mlp import GatedMLPIntervention
from deconfound.interventions.identity import Identity
from deconfound.interventions.joint import JointIntervention

__all__ = [
    "CrossAttentionIntervention",
    "FiLMIntervention",
    "GatedMLPIntervention",
    "HasEffects",
    "Identity",
    "InterventionLayer",
    "JointIntervention",
    "interventions",
]
