"""Is the adjustment real? Refuters: change what should matter, and see whether it does."""

from deconfound.diagnostics.refuters.base import (
    HasLinearView,
    HasOutcomes,
    HasRegionPrompts,
    LinearView,
    Refutation,
    Refuter,
    Subject,
    Verdict,
)
from deconfound.diagnostics.refuters.changed_dictionary import ChangedDictionary
from deconfound.diagnostics.refuters.dummy_outcome import DummyOutcome
from deconfound.diagnostics.refuters.inference_subject import InferenceSubject
from deconfound.diagnostics.refuters.other_words import IrrelevantText, Paraphrases
from deconfound.diagnostics.refuters.part_of_dictionary import LeaveOneOut, Subset
from deconfound.diagnostics.refuters.permuted_pairs import PermutedPairs
from deconfound.diagnostics.refuters.placebo import PlaceboDictionary
from deconfound.diagnostics.refuters.placebo_regions import PlaceboRegions
from deconfound.diagnostics.refuters.random_common_cause import RandomCommonCause
from deconfound.diagnostics.refuters.retrain_subject import RetrainSubject
from deconfound.diagnostics.refuters.suite import default_refuters, overall, refute
from deconfound.diagnostics.refuters.training import Training
from deconfound.diagnostics.refuters.unobserved_confounder import UnobservedConfounder
from deconfound.diagnostics.refuters.worlds import ScmSubject, attention, backdoor, regression

__all__ = [
    "ChangedDictionary",
    "DummyOutcome",
    "HasLinearView",
    "HasOutcomes",
    "HasRegionPrompts",
    "InferenceSubject",
    "IrrelevantText",
    "LeaveOneOut",
    "LinearView",
    "Paraphrases",
    "PermutedPairs",
    "PlaceboDictionary",
    "PlaceboRegions",
    "RandomCommonCause",
    "Refutation",
    "Refuter",
    "RetrainSubject",
    "ScmSubject",
    "Subject",
    "Subset",
    "Training",
    "UnobservedConfounder",
    "Verdict",
    "attention",
    "backdoor",
    "default_refuters",
    "overall",
    "refute",
    "regression",
]
