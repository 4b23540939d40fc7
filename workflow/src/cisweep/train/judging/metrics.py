"""Held-out metrics as plain NumPy functions; every one is checked against an independent oracle.

Vectors are (N,) float; `labels` are 0 or 1. A metric that is undefined (constant input, one class
only) is NaN, never a made-up number.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import pearsonr, rankdata, spearmanr

from cisweep.analysis.prediction import profiles
from cisweep.bases import gc_share
from cisweep.contracts import TOKEN_N


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Return Pearson's correlation of two vectors."""
    return _correlation(pearsonr, x, y)


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Return Spearman's rank correlation; ties take the mean rank."""
    return _correlation(spearmanr, x, y)


def _correlation(of: Callable, x: np.ndarray, y: np.ndarray) -> float:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(of(x, y).statistic)


def mse(predicted: np.ndarray, observed: np.ndarray) -> float:
    """Return the mean squared error."""
    difference = np.asarray(predicted, np.float64) - np.asarray(observed, np.float64)
    return float(np.mean(difference**2))


def r2(predicted: np.ndarray, observed: np.ndarray) -> float:
    """Return the coefficient of determination, 1 − SSE/SST (below 0: worse than the mean)."""
    variance = float(np.var(np.asarray(observed, np.float64)))
    return 1 - mse(predicted, observed) / variance if variance > 0 else float("nan")


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the area under the ROC curve by the Mann-Whitney statistic (ties count a half)."""
    labels = np.asarray(labels) > 0
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if positives == 0 or negatives == 0:
        return float("nan")
    rank_sum = rankdata(scores)[labels].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def auprc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the average precision: Σ (recall step) × precision at each distinct score."""
    scores, labels = np.asarray(scores), np.asarray(labels) > 0
    if labels.sum() == 0 or labels.all():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    scores, labels = scores[order], labels[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    true = np.cumsum(labels)[last]
    precision = true / (last + 1)
    recall = true / true[-1]
    return float(np.sum(np.diff(recall, prepend=0) * precision))


def bootstrap_interval(
    metric: Callable[[np.ndarray, np.ndarray], float],
    scores: np.ndarray,
    labels: np.ndarray,
    *,
    draws: int = 1000,
    random_state: int = 0,
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a metric over rows drawn with replacement.

    With two classes each is resampled on its own, so that no draw loses a class.
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    generator = np.random.default_rng(random_state)
    classes = [np.flatnonzero(labels == value) for value in np.unique(labels)]
    strata = classes if len(classes) == 2 else [np.arange(len(labels))]
    values = []
    for _ in range(draws):
        rows = np.concatenate([generator.choice(s, len(s)) for s in strata])
        values.append(metric(scores[rows], labels[rows]))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def gc_content(tokens: np.ndarray) -> np.ndarray:
    """Return the share of C and G among the known bases (N,) of tokens (N, L); all N: 0.5."""
    return np.where((tokens != TOKEN_N).any(axis=1), gc_share(tokens), 0.5)


def calibration_table(
    probability: np.ndarray, labels: np.ndarray, bins: int = 10
) -> list[dict[str, float]]:
    """Return one row per non-empty bin of equal width: mean probability, observed share, n."""
    index = np.minimum((np.asarray(probability) * bins).astype(int), bins - 1)
    rows = []
    for b in np.unique(index):
        member = index == b
        rows.append(
            {
                "bin": int(b),
                "n": int(member.sum()),
                "predicted": float(probability[member].mean()),
                "observed": float(np.asarray(labels)[member].mean()),
            }
        )
    return rows


def calibration_error(probability: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Return the expected calibration error: mean |predicted − observed| weighted by bin size."""
    rows = calibration_table(probability, labels, bins)
    total = sum(row["n"] for row in rows)
    return sum(row["n"] * abs(row["predicted"] - row["observed"]) for row in rows) / total


def profile_pearson(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return Pearson's r of each window (N,) between profiles (N, strands, L), strands joined."""
    p, o = _flat(predicted), _flat(observed)
    p, o = p - p.mean(axis=1, keepdims=True), o - o.mean(axis=1, keepdims=True)
    scale = np.sqrt((p**2).sum(axis=1) * (o**2).sum(axis=1))
    return np.where(scale > 0, (p * o).sum(axis=1) / np.where(scale > 0, scale, 1), np.nan)


def jensen_shannon_distance(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the Jensen-Shannon distance, base 2, of each window (N,); 0 equal, 1 disjoint.

    Profiles (N, strands, L) are non-negative and normalised here, strands joined; a window
    without any signal is NaN.
    """
    return profiles.jensen_shannon_distance(_flat(predicted), _flat(observed))


def _flat(profiles: np.ndarray) -> np.ndarray:
    return np.asarray(profiles, np.float64).reshape(len(profiles), -1)


def poisson_count_ceiling(counts: np.ndarray, *, draws: int = 20, random_state: int = 0) -> float:
    """Return r of log1p counts between the data and a Poisson redraw of themselves.

    It is what a model that knew each window's rate would reach if counting were the only noise;
    the observed counts stand in for the rates. Mean over `draws`.
    """
    counts = np.asarray(counts, np.float64)
    generator = np.random.default_rng(random_state)
    observed = np.log1p(counts)
    values = [pearson(observed, np.log1p(generator.poisson(counts))) for _ in range(draws)]
    return float(np.mean(values))
