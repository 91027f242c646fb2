"""do(z), carried out: training pictures whose confounder is set, whatever it was."""

from deconfound.estimators.doing.base import Doing, Pictures, doings
from deconfound.estimators.doing.drawable import operation_for
from deconfound.estimators.doing.operations import OPERATIONS, suggested
from deconfound.estimators.doing.render import Render
from deconfound.estimators.doing.restyle import Restyle
from deconfound.estimators.doing.transplant import Transplant

__all__ = [
    "OPERATIONS",
    "Doing",
    "Pictures",
    "Render",
    "Restyle",
    "Transplant",
    "doings",
    "operation_for",
    "suggested",
]
