"""Is the adjustment real? Quantities that say so, each a function that returns arrays."""

from deconfound.diagnostics.agreement import (
    Agreement,
    agreement,
    agreements,
    readings,
    statistic_for,
)
from deconfound.diagnostics.attention import AttentionDivergence, attention_divergence
from deconfound.diagnostics.balance import (
    Balance,
    can_be_told,
    class_balance,
    told_by_the_margin,
)
from deconfound.diagnostics.batch import Batch, take_evenly
from deconfound.diagnostics.counterfactual import (
    Counterfactuals,
    counterfactual_masks,
    mask_jensen_gap,
)
from deconfound.diagnostics.dictionary_health import (
    DictionaryHealth,
    NearDuplicate,
    dictionary_health,
    effective_rank,
)
from deconfound.diagnostics.drawing import drawn
from deconfound.diagnostics.invariance import (
    ClassProbe,
    KernelTest,
    SiteProbe,
    kernel_independence,
    site_probe,
)
from deconfound.diagnostics.jensen import jensen_gap
from deconfound.diagnostics.leave_out import LeaveOut, leave_out
from deconfound.diagnostics.measured import Measurements, measure
from deconfound.diagnostics.posterior import (
    ClassOverlap,
    OverlapWarning,
    SitePosterior,
    class_overlap,
    site_posterior,
)
from deconfound.diagnostics.summary import WhatWasUsed, what_was_used

__all__ = [
    "Agreement",
    "AttentionDivergence",
    "Balance",
    "Batch",
    "ClassOverlap",
    "ClassProbe",
    "Counterfactuals",
    "DictionaryHealth",
    "KernelTest",
    "LeaveOut",
    "Measurements",
    "NearDuplicate",
    "OverlapWarning",
    "SitePosterior",
    "SiteProbe",
    "WhatWasUsed",
    "agreement",
    "agreements",
    "attention_divergence",
    "can_be_told",
    "class_balance",
    "class_overlap",
    "counterfactual_masks",
    "dictionary_health",
    "drawn",
    "effective_rank",
    "jensen_gap",
    "kernel_independence",
    "leave_out",
    "mask_jensen_gap",
    "measure",
    "readings",
    "site_posterior",
    "site_probe",
    "statistic_for",
    "take_evenly",
    "told_by_the_margin",
    "what_was_used",
]
