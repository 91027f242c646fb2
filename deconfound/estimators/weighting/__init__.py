"""Weighting: training images counted so that class and confounder look independent."""

from deconfound.estimators.weighting.calibration import (
    Calibration,
    calibrate,
    expected_calibration_error,
)
from deconfound.estimators.weighting.doubly_robust import doubly_robust, weighted_outcome
from deconfound.estimators.weighting.prior_shift import shift_prior
from deconfound.estimators.weighting.propensity import propensity_weights
from deconfound.estimators.weighting.reading import read_posterior, read_scores, to_posterior
from deconfound.estimators.weighting.regression import regress_outcome
from deconfound.estimators.weighting.sampler import weighted_order
from deconfound.estimators.weighting.weights import (
    WeightReport,
    balancing_ratios,
    balancing_weights,
    effective_sample_size,
)

__all__ = [
    "Calibration",
    "WeightReport",
    "balancing_ratios",
    "balancing_weights",
    "calibrate",
    "doubly_robust",
    "effective_sample_size",
    "expected_calibration_error",
    "propensity_weights",
    "read_posterior",
    "read_scores",
    "regress_outcome",
    "shift_prior",
    "to_posterior",
    "weighted_order",
    "weighted_outcome",
]
