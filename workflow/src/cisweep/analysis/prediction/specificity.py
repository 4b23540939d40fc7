"""How specific a prediction is for one of several targets. Torch-free.

Source of proportion and Gini index: CREsted (1.x; Kempynck et al. 2025), its function
sort_and_filter_regions_on_specificity, which takes accessibilities, values of 0 and above. A logit
becomes its probability, and a log count its count, before they are compared so (`from_zero`); z is
of the values as they are.
"""

from collections.abc import Sequence

import numpy as np

_TINY = 1e-7
"""Added to each value of a Gini index, as CREsted does, so that a window without signal has 0."""


def from_zero(values: np.ndarray, scales: Sequence[str]) -> np.ndarray:
    """Return predictions (N, T) float64 as numbers of 0 and above, columns by their scale.

    logit: the probability; log_counts and log1p_counts: the counts; what a model predicts below 0
    counts is 0. A target of scale `value` may be anything, and is refused when the run is planned.
    """
    found = np.array(values, dtype=np.float64)
    for scale in set(scales):
        mine = [i for i, each in enumerate(scales) if each == scale]
        part = found[:, mine]
        if scale == "logit":
            # Of large numbers of either sign without overflow.
            part = 0.5 * (1 + np.tanh(0.5 * part))
        elif scale in ("log_counts", "log1p_counts"):
            part = (np.exp if scale == "log_counts" else np.expm1)(np.minimum(part, 700.0))
        found[:, mine] = np.maximum(part, 0.0)
    return found


def proportions(values: np.ndarray) -> np.ndarray:
    """Return (N, T) float64: each value's share of the sum over the targets of its window; 0 where
    that is 0. values: (N, T), 0 and above."""
    total = values.sum(axis=1, keepdims=True)
    return np.divide(values, total, out=np.zeros(values.shape), where=total > 0)


def z_scores(values: np.ndarray) -> np.ndarray:
    """Return (N, T) float64: each value less the mean over the targets of its window, in standard
    deviations (of a population) over them; 0 where all are the same."""
    values = values.astype(np.float64)
    centred = values - values.mean(axis=1, keepdims=True)
    sd = values.std(axis=1, keepdims=True)
    return np.divide(centred, sd, out=np.zeros(values.shape), where=sd > 0)


def gini_of_highest(values: np.ndarray) -> np.ndarray:
    """Return (N, T) float64: the Gini index of a window's values where its highest stands (of equal
    ones the first), 0 elsewhere.

    values: (N, T), 0 and above. G = Σᵢ (2i − T − 1) xᵢ / (T Σᵢ xᵢ), x ascending, i from 1: 0 where
    all are the same, (T − 1) / T where one alone is not 0.
    """
    n, t = values.shape
    ascending = np.sort(values, axis=1) + _TINY
    weights = 2 * np.arange(1, t + 1) - t - 1
    found = np.zeros(values.shape)
    found[np.arange(n), values.argmax(axis=1)] = (ascending @ weights) / (t * ascending.sum(axis=1))
    return found


def specificity(values: np.ndarray, scales: Sequence[str], measure: str) -> np.ndarray:
    """Return (N, T) float64, how specific each prediction is for its target among all T.

    values: (N, T), each column in its target's scale; measure: proportion, z or gini.
    """
    if measure == "z":
        return z_scores(values)
    compared = from_zero(values, scales)
    return proportions(compared) if measure == "proportion" else gini_of_highest(compared)
