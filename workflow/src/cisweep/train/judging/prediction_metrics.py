"""How predictions compare with observed signal, as tidy rows; the definitions are those of
cisweep.train.judging.metrics. No torch here.

Rows are tables of windows, gathered block by block; of a track only its counts and two numbers a
window are kept.
"""

from collections.abc import Callable, Iterable

import numpy as np

from cisweep.contracts import Windows
from cisweep.products.predict import METRICS
from cisweep.train.judging import metrics

METRIC_COLUMNS = METRICS.names()
"""Columns of metrics.tsv; windows: all, or held out (predicted by folds that did not see them)."""

Row = dict[str, object]
Blocks = Iterable[tuple[Windows, np.ndarray]]
Observe = Callable[[Windows], np.ndarray]
"""Windows -> their observed signal (N, strands, positions), not negative."""


def target_rows(name: str, scale: str, blocks: Blocks, observe: Observe) -> list[Row]:
    """Return Pearson and Spearman of a target against the log1p of the window's total signal.

    scale: of the target; counts are compared as log1p, everything else as it is.
    blocks: (windows, predictions (N,)).
    """
    predicted, observed = [np.zeros(0)], [np.zeros(0)]
    for windows, values in blocks:
        predicted.append(np.log1p(np.maximum(values, 0)) if scale == "counts" else values)
        observed.append(np.log1p(observe(windows).sum(axis=(1, 2))))
    return _count_rows(name, np.concatenate(predicted), np.concatenate(observed))


def track_rows(name: str, blocks: Blocks, observe: Observe) -> list[Row]:
    """Return the metrics of a track: its profile in windows with any signal, and its counts.

    Profile Pearson r and Jensen-Shannon distance are medians over windows, strands joined; counts
    are log1p of the sums over window and strands. blocks: (windows, counts (N, strands, L)).
    """
    predicted, observed = [np.zeros(0)], [np.zeros(0)]
    pearson, distance = [np.zeros(0)], [np.zeros(0)]
    for windows, values in blocks:
        signal = observe(windows)
        total = signal.sum(axis=(1, 2))
        some = total > 0
        pearson.append(metrics.profile_pearson(values[some], signal[some]))
        distance.append(metrics.jensen_shannon_distance(values[some], signal[some]))
        predicted.append(np.log1p(np.maximum(values.sum(axis=(1, 2), dtype=np.float64), 0)))
        observed.append(np.log1p(total))
    profiles = {
        "profile_pearson": np.concatenate(pearson),
        "jensen_shannon_distance": np.concatenate(distance),
    }
    rows = [
        {"name": name, "metric": metric, "value": _median(values), "n": len(values)}
        for metric, values in profiles.items()
    ]
    return rows + _count_rows(name, np.concatenate(predicted), np.concatenate(observed))


def _median(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _count_rows(name: str, predicted: np.ndarray, observed: np.ndarray) -> list[Row]:
    """Return Pearson and Spearman; NaN for fewer than two windows, never a made-up number."""
    enough = len(observed) > 1
    return [
        {
            "name": name,
            "metric": f"counts_{metric.__name__}",
            "value": metric(predicted, observed) if enough else float("nan"),
            "n": len(observed),
        }
        for metric in (metrics.pearson, metrics.spearman)
    ]
