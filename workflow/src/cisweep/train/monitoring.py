"""How good an epoch is: a metric over validation examples with its noise, and which epoch is kept.

An epoch's metric is a mean over targets. Its noise comes from resampled examples (bootstrap), and
each epoch is resampled alike, so that two epochs are compared on the same draws: what they share
(hard examples, few positives) cancels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cisweep.train.data.datasets import Batch
from cisweep.train.judging.metrics import profile_pearson

DRAWS = 200
"""Resampled sets of validation examples; their 2.5 % and 97.5 % points are the interval."""
_BLOCK = 1 << 22  # values of one block of draws, 32 MB

Scorer = Callable[[np.ndarray], np.ndarray]
"""One target's metric: how often each example counts (draws, N) -> its values (draws,)."""


@dataclass(frozen=True)
class Metric:
    """What ranks epochs.

    name: auprc or pearson. read: (outputs of the model, batch) -> arrays with one row per example.
    scorers: the arrays of all examples -> one Scorer a target that has what its metric needs.
    """

    name: str
    read: Callable[[list[Tensor], Batch], tuple[np.ndarray, ...]]
    scorers: Callable[[tuple[np.ndarray, ...]], list[Scorer]]


@dataclass(frozen=True)
class Judged:
    """A metric's mean over targets, its 95 % interval, and its value in each draw (DRAWS,).

    The draws are moved to the metric's own value: examples that are drawn twice make an average
    precision look better than it is. All NaN if no target has what the metric needs.
    """

    value: float
    low: float
    high: float
    draws: np.ndarray


def judge(metric: Metric, parts: list[tuple[np.ndarray, ...]], seed: int) -> Judged:
    """Return the metric over examples.

    Parameters
    ----------
    parts: what metric.read gave of each batch. seed: decides the draws; the same for epochs that
        are to be compared.
    """
    arrays = tuple(np.concatenate(columns) for columns in zip(*parts))
    n = len(arrays[0])
    scorers = metric.scorers(arrays)
    values = np.array([scorer(np.ones((1, n)))[0] for scorer in scorers])
    scorers = [scorer for scorer, value in zip(scorers, values) if not np.isnan(value)]
    if not scorers:
        nothing = float("nan")
        return Judged(nothing, nothing, nothing, np.full(DRAWS, nothing))
    drawn = [_mean([scorer(times) for scorer in scorers]) for times in resampled(n, DRAWS, seed)]
    draws, value = np.concatenate(drawn), float(np.nanmean(values))
    draws += value - np.nanmean(draws)
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return Judged(value, float(low), float(high), draws)


def _mean(values: list[np.ndarray]) -> np.ndarray:
    """Return the mean over targets of each draw; a target that a draw leaves undefined is left out
    there (few positives may all be missing)."""
    table = np.stack(values)
    known = ~np.isnan(table)
    total = np.where(known, table, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def resampled(n: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield blocks (some draws, n) of how often each of n examples is drawn, with replacement."""
    generator = np.random.default_rng(seed)
    size = max(_BLOCK // n, 1)
    for begin in range(0, draws, size):
        some = min(size, draws - begin)
        rows = generator.integers(0, n, (some, n)) + np.arange(some)[:, None] * n
        yield np.bincount(rows.ravel(), minlength=some * n).reshape(some, n).astype(np.float64)


@dataclass(frozen=True)
class Choice:
    """Which epoch is kept and which has the highest metric, both 1-based."""

    kept: int = 0
    highest: int = 0


def choose(values: Sequence[float], draws: Sequence[np.ndarray], losses: Sequence[float]) -> Choice:
    """Return which of the epochs so far is kept.

    An epoch is better than another where its metric is higher in 97.5 % of the draws. The kept
    epoch is none that a later or earlier one was better than; among those that differ by noise
    alone it is the one with the lowest validation loss, whose predictions mean most (loss tells
    a network that ranks well from one that also knows how sure it may be). Patience counts from
    the later of both epochs, so that slow progress, each step of it within the noise, does not
    stop a training.

    Parameters
    ----------
    values, losses: metric and validation loss of each epoch. draws: (epochs, DRAWS).
    """
    kept = highest = 0
    for epoch in range(1, len(values)):
        if values[epoch] > values[highest]:
            highest = epoch
        if _better(draws[highest], draws[kept]):
            kept = highest
        elif losses[epoch] < losses[kept] and not _better(draws[highest], draws[epoch]):
            kept = epoch
    return Choice(kept + 1, highest + 1) if len(values) else Choice()


def _better(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.nanquantile(np.subtract(one, other), 0.025) > 0)


# ---- metrics of many draws at once ----------------------------------------------------------


def weighted_auprc(scores: np.ndarray, labels: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the average precision of each draw (B,); NaN for a draw with one class only.

    scores, labels: (N,). times: (B, N), how often an example counts. Equals metrics.auprc of the
    examples repeated.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    times, positive = times[:, order], labels[order] > 0
    found = np.cumsum(times, axis=1)[:, last]
    true = np.cumsum(times * positive, axis=1)[:, last]
    precision = true / np.maximum(found, 1)
    total, everything = true[:, -1], found[:, -1]
    area = (np.diff(true, axis=1, prepend=0) * precision).sum(axis=1)
    both = (total > 0) & (total < everything)
    return np.where(both, area / np.maximum(total, 1), np.nan)


def weighted_pearson(x: np.ndarray, y: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return Pearson's r of each draw (B,) between predictions x and observations y, (N,) each.

    NaN where the observations of a draw are all equal; 0 where only the predictions are: a
    network that tells nothing apart has no correlation with anything.
    """
    x, y = x - x.mean(), y - y.mean()
    n = times.sum(axis=1)
    n = np.where(n > 0, n, np.nan)
    mean_x, mean_y = times @ x / n, times @ y / n
    cross = times @ (x * y) / n - mean_x * mean_y
    var_x, var_y = times @ x**2 / n - mean_x**2, times @ y**2 / n - mean_y**2
    flat_x, flat_y = (v <= 1e-12 * max(w.var(), 1e-300) for v, w in ((var_x, x), (var_y, y)))
    r = cross / np.sqrt(np.where(flat_x | flat_y, 1, var_x * var_y))
    return np.where(flat_y | np.isnan(n), np.nan, np.where(flat_x, 0, r))


def weighted_median(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the median of each draw (B,) of values (N,), each counted `times` (B, N)."""
    order = np.argsort(values, kind="stable")
    running = np.cumsum(times[:, order], axis=1)
    n = running[:, -1]
    middle = [
        values[order][(running > place[:, None]).argmax(axis=1)]
        for place in (np.floor((n - 1) / 2), np.floor(n / 2))
    ]
    return np.where(n > 0, (middle[0] + middle[1]) / 2, np.nan)


# ---- the metric of each task ----------------------------------------------------------------


def _values(outputs: list[Tensor], batch: Batch) -> tuple[np.ndarray, ...]:
    return outputs[0].float().cpu().numpy(), batch.targets["values"].cpu().numpy()


def _of_known(
    function: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    known: np.ndarray,
) -> Scorer:
    x, y = x[known].astype(np.float64), y[known].astype(np.float64)
    return lambda times: function(x, y, times[:, known])


def _columns(function: Callable) -> Callable[[tuple[np.ndarray, ...]], list[Scorer]]:
    """Return the scorers of tables: a column per target, NaN labels left out."""

    def scorers(arrays: tuple[np.ndarray, ...]) -> list[Scorer]:
        predicted, observed = arrays
        known = ~np.isnan(observed)
        return [
            _of_known(function, predicted[:, t], observed[:, t], known[:, t])
            for t in range(observed.shape[1])
            if known[:, t].any()
        ]

    return scorers


def _classes(arrays: tuple[np.ndarray, ...]) -> list[Scorer]:
    logits, classes = arrays[0].astype(np.float64), arrays[1][:, 0]
    margin = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
    everything = np.ones(len(classes), bool)
    return [
        _of_known(weighted_auprc, margin[:, c], classes == c, everything)
        for c in range(logits.shape[1])
    ]


def scalar_metric(task: str) -> Metric:
    """Return the metric of a task on tables: AUPRC of each label or class, r of each value."""
    if task == "regression":
        return Metric("pearson", _values, _columns(weighted_pearson))
    return Metric("auprc", _values, _classes if task == "multiclass" else _columns(weighted_auprc))


def profile_metric(min_reads: float = 0) -> Metric:
    """Return the metric of a BPNet: the mean of two r, both over peaks.

    That of the profile is the median over windows with at least `min_reads` reads (with any, if
    none has so many), strands joined; that of the counts is over log1p of the totals.
    """

    def read(outputs: list[Tensor], batch: Batch) -> tuple[np.ndarray, ...]:
        counts = batch.targets["counts"].cpu().numpy()
        logits = outputs[0].float().flatten(1)
        profile = torch.softmax(logits, dim=1).cpu().numpy()
        total = counts.sum(axis=(1, 2))
        r = profile_pearson(profile, counts)
        guess = outputs[1][:, 0].float().cpu().numpy()
        return r, guess, total, batch.targets["is_peak"].cpu().numpy()

    def scorers(arrays: tuple[np.ndarray, ...]) -> list[Scorer]:
        r, guess, total, peak = arrays
        use = peak & (total >= max(min_reads, 1)) & ~np.isnan(r)
        use = use if use.any() else peak & ~np.isnan(r)
        found = [_of_known(weighted_pearson, guess, np.log1p(total), peak)] if peak.any() else []
        if use.any():
            found.append(lambda times: weighted_median(r[use], times[:, use]))
        return found

    return Metric("pearson", read, scorers)
