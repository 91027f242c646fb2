"""How to adjust: intervention layers."""

from deconfound.interventions.base import HasEffects, InterventionLayer, interventions
from deconfound.interventions.class_text import ClassTextIntervention
from deconfound.interventions.cross_attention import CrossAttentionIntervention
from deconfound.interventions.erasure import ErasureIntervention
from deconfound.interventions.film import FiLMIntervention
from deconfound.interventions.front_door import FrontDoorIntervention
from deconfound.interventions.gated_mlp import GatedMLPIntervention
from deconfound.interventions.identity import Identity
from deconfound.interventions.joint import JointIntervention
from deconfound.interventions.leace import LeaceEraser, LeaceIntervention
from deconfound.interventions.learned_prompts import LearnedPromptIntervention
from deconfound.interventions.prior_only import PriorOnlyIntervention
from deconfound.interventions.style_prompts import StylePromptIntervention
from deconfound.interventions.translation import TextTranslation

__all__ = [
    "ClassTextIntervention",
    "CrossAttentionIntervention",
    "ErasureIntervention",
    "FiLMIntervention",
    "FrontDoorIntervention",
    "GatedMLPIntervention",
    "HasEffects",
    "Identity",
    "InterventionLayer",
    "JointIntervention",
    "LeaceEraser",
    "LeaceIntervention",
    "LearnedPromptIntervention",
    "PriorOnlyIntervention",
    "StylePromptIntervention",
    "TextTranslation",
    "interventions",
]
