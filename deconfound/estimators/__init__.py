"""How the sum over z is taken: estimators of E_z[A(f, z)] for one outcome model A."""

from deconfound.estimators.attention import Attention
from deconfound.estimators.base import Effects, Estimator, estimators
from deconfound.estimators.behind import average_behind
from deconfound.estimators.enumeration import Enumeration
from deconfound.estimators.levels import Level, average_outcomes
from deconfound.estimators.monte_carlo import MonteCarlo
from deconfound.estimators.prior_mean import PriorMean
from deconfound.estimators.standardisation import Standardisation

__all__ = [
    "Attention",
    "Effects",
    "Enumeration",
    "Estimator",
    "Level",
    "MonteCarlo",
    "PriorMean",
    "Standardisation",
    "average_behind",
    "average_outcomes",
    "estimators",
]
