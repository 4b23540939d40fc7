"""Seqlets as tf-modiscolite calls them: windows whose sum stands out from a Laplace null.

    map     save_run(path, window_sums(attributions, rules))   sorted window sums of a chunk
    gather  thresholds = fit_thresholds(merge_runs(paths, out), None, rules)
    map     call_windows(attributions, thresholds, rules)

Thresholds depend on order statistics and ranks of all window sums only, read from one sorted
array (in memory or on disk), so they do not depend on the chunks. tf-modiscolite fits them on a
random million of the windows where there are more; here `fit_thresholds` takes them all unless
it is given a sample, and `tfmodisco_seqlets` draws the same sample as tf-modiscolite.
"""

import ctypes
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cisweep.analysis.seqlets.sorted_runs import Magnitudes, Pooled, by_sign, quantile
from cisweep.analysis.seqlets.spans import Spans, as_attributions, span_sums
from cisweep.errors import AttributionError
from cisweep.kernels import array, kernel

_I64, _F64 = ctypes.c_int64, ctypes.c_double
_maxima = kernel(
    "seqlet_maxima",
    _I64,
    [array(np.float64, 2), _I64, _I64, _F64, _F64, _I64, _I64]
    + [array(np.int64, 1), array(np.float64, 1), array(np.int64, 1), array(np.int64, 1)],
)
_N_NULL, _NULL_SEED = 10_000, 1234
_TINY = 1e-7
_MIN_NULL_SHARE = 0.95  # of the windows nearest to zero, how many at least are null


@dataclass(frozen=True)
class WindowRules:
    """Options of tf-modiscolite's caller; `window_size` and `flank` in bp."""

    window_size: int = 21
    flank: int = 10
    target_fdr: float = 0.2
    min_passing_frac: float = 0.03
    max_passing_frac: float = 0.2
    weak_threshold_for_counting_sign: float = 0.8

    def __post_init__(self) -> None:
        if self.window_size < 1 or self.flank < 0:
            raise AttributionError(
                f"window_size {self.window_size} and flank {self.flank} give no window",
                mend="choose window_size >= 1 and flank >= 0",
            )
        if not 0 <= self.min_passing_frac <= self.max_passing_frac <= 1:
            raise AttributionError(
                f"min_passing_frac {self.min_passing_frac} and max_passing_frac "
                f"{self.max_passing_frac} are not fractions in order",
                mend="choose 0 <= min_passing_frac <= max_passing_frac <= 1",
            )

    @property
    def reach(self) -> int:
        """Return how far from a seqlet's window, in bp, no other may start."""
        return self.window_size // 2 + self.flank


@dataclass(frozen=True)
class Thresholds:
    """Windows with a sum >= positive or <= negative may become seqlets.

    `weak` is the window sum above which (below minus which) tf-modiscolite counts a seqlet as
    positive (negative) when it splits them for motif discovery.
    """

    positive: float
    negative: float
    weak: float


def window_sums(attributions: np.ndarray, rules: WindowRules) -> np.ndarray:
    """Return the sums over all windows, float64 (N, L - window_size + 1).

    Running sums are taken in the type of the attributions and differences in float64, as
    tf-modiscolite does. Raises AttributionError if the sequences are shorter than a window.
    """
    n, length = attributions.shape
    if length < rules.window_size:
        raise AttributionError(
            f"sequences of {length} bp are shorter than window_size {rules.window_size}",
            mend="choose a smaller window_size or longer sequences",
        )
    running = np.zeros((n, length + 1))
    running[:, 1:] = np.cumsum(attributions, axis=1)
    return running[:, rules.window_size :] - running[:, : -rules.window_size]


def fit_thresholds(run: np.ndarray, sample: np.ndarray | None, rules: WindowRules) -> Thresholds:
    """Return the thresholds that follow from all window sums of a set.

    Parameters
    ----------
    run : array (n,), float64, ascending
        All window sums; a memory map serves.
    sample : array (m,), float64, ascending, or None
        The sums that take the place of `run` in all but the null's parameters; None: all.
    rules : WindowRules
        Target FDR and bounds of the passing fraction.

    Without two different sums nothing stands out, and no window passes.
    """
    if len(run) == 0 or run[0] == run[-1]:
        return Thresholds(np.inf, -np.inf, np.inf)
    up, down = by_sign(run if sample is None else sample)
    null = _laplace_null(run)
    # Zeros count as positive; where they are all there is, none of them stands out.
    positive = _threshold(up, np.sort(null[null >= 0]), rules.target_fdr) or np.inf
    negative = -_threshold(down, np.sort(-null[null < 0]), rules.target_fdr)
    pooled = Pooled(up, down)
    passing = len(up) - up.below(positive) + len(down) - down.below(-negative)
    share = passing / len(pooled)
    for bound, beyond in (
        (rules.min_passing_frac, share < rules.min_passing_frac),
        (rules.max_passing_frac, share > rules.max_passing_frac),
    ):
        if beyond:
            positive = quantile(pooled, len(pooled), 100 * (1 - bound) / 100)
            negative = -positive
    return Thresholds(positive, negative, _weak(run, positive, negative, rules))


def _weak(run: np.ndarray, positive: float, negative: float, rules: WindowRules) -> float:
    pooled = Pooled(*by_sign(run))
    n = len(pooled)
    ranks = [np.sign(abs(t)) * pooled.below(abs(t)) / n for t in (positive, negative)]
    weakest = min(min(ranks) - 0.0001, rules.weak_threshold_for_counting_sign)
    return pooled[int(weakest * n) % n]


def _fullest_bin(run: np.ndarray, n_bins: int = 1000) -> tuple[float, float]:
    low, high = (run[0], run[-1]) if len(run) else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, n_bins + 1)
    ranks = np.searchsorted(run, edges)
    ranks[-1] = len(run)
    peak = int(np.argmax(np.diff(ranks)))
    return edges[peak], edges[peak + 1]


def _laplace_null(run: np.ndarray) -> np.ndarray:
    """Draws from two half Laplace distributions around the mode of a run."""
    left, right = _fullest_bin(run)
    top = run[np.searchsorted(run, left, side="right") : np.searchsorted(run, right)]
    mode = sum(_fullest_bin(top)) / 2
    above = run[np.searchsorted(run, mode) :]
    below = run[: np.searchsorted(run, mode, side="right")]
    if not len(above) or not len(below):
        # All sums of the fullest bin stand on its edge, as zeros do beside sums of one sign.
        # tf-modiscolite then looks for the mode between 0 and 1, and fails if no sum is beyond it.
        edges = np.searchsorted(run, left), np.searchsorted(run, right, side="right")
        mode = run[sum(edges) // 2]
        above = run[np.searchsorted(run, mode) :]
        below = run[: np.searchsorted(run, mode, side="right")]
    percent = 5.0 * np.arange(1, 20)
    reached = -np.log(1 - percent / 100)
    up = np.array([quantile(above, len(above), q / 100) for q in percent]) - mode
    down = np.abs([quantile(below, len(below), (100 - q) / 100) - mode for q in percent])
    # tf-modiscolite's generator, seed and order of draws: its set depends on them.
    uniform = np.random.RandomState(_NULL_SEED).uniform(size=(_N_NULL, 2))
    drawn = np.log(1 - uniform[:, 1])
    with np.errstate(divide="ignore"):  # a spike at the mode gives an infinite rate
        rate_up, rate_down = np.max(reached / up), np.max(reached / down)
    share_above = len(above) / (len(above) + len(below))
    return np.where(uniform[:, 0] < share_above, mode - drawn / rate_up, mode + drawn / rate_down)


def _threshold(real: Magnitudes, null: np.ndarray, target_fdr: float) -> float:
    """The smallest magnitude from which on the isotonic precision reaches 1 - FDR.

    The fit sees real ones (1) and null draws (0, weighted to the same total). Between two draws
    all are real, so that stretch is one point with a weight: the fit has no more points than
    twice the draws, however many windows there are.
    """
    # Its import takes as long as a short job, and most jobs call by the background.
    from scipy.optimize import isotonic_regression

    if len(real) == 0:
        return np.inf
    draws, repeats = np.unique(null, return_counts=True)
    before, up_to = real.below(draws), real.below(draws, or_equal=True)
    weight = repeats * (len(real) / max(len(null), 1))
    # Alternating: the real ones below the first draw, the draw with its ties, those up to the
    # next draw, and so on.
    ones = np.empty(2 * len(draws) + 1)
    ones[0::2] = np.append(before, len(real)) - np.insert(up_to, 0, 0)
    ones[1::2] = up_to - before
    zeros = np.zeros_like(ones)
    zeros[1::2] = weight
    first = np.empty(len(ones), np.int64)
    first[0::2], first[1::2] = np.insert(up_to, 0, 0), before
    there = ones + zeros > 0
    ones, zeros, first = ones[there], zeros[there], first[there]
    total = ones + zeros
    fitted = isotonic_regression(ones / total, weights=total).x
    lowest = max(fitted[0], _TINY)
    null_share = 1.0 if lowest >= 1 else 1 / (1 / lowest - 1)
    null_share = max(min(1.0, null_share), _MIN_NULL_SHARE)
    precision = 1 + null_share * (1 - 1 / np.maximum(fitted, _TINY))
    passing = (np.clip(precision, 0, 1) >= 1 - target_fdr) & (ones > 0)
    return real[int(first[np.argmax(passing)])] if passing.any() else real[len(real) - 1]


def call_windows(
    attributions: np.ndarray,
    thresholds: Thresholds,
    rules: WindowRules,
    sums: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return the seqlets of projected attributions (N, L) at given thresholds.

    Greedy: in each example the passing window of largest magnitude (leftmost of equals), then
    the next that starts more than `rules.reach` away. Columns example_idx, start, end (window
    with flanks, 0-based, half-open), attribution (the window's sum); by example, largest first.
    `sums` saves computing window_sums(attributions, rules) again.
    """
    values = as_attributions(attributions, "attributions")
    sums = window_sums(values, rules) if sums is None else sums
    n, width = sums.shape
    room = n * (width // (rules.reach + 1) + 1)
    example, start = np.empty(room, np.int64), np.empty(room, np.int64)
    scratch = np.empty(width, np.int64), np.empty(width, np.float64)
    limits = (thresholds.positive, thresholds.negative, rules.flank, rules.reach)
    found = _maxima(sums, n, width, *limits, *scratch, example, start)
    example, start = example[:found].copy(), start[:found].copy()
    windows = Spans(example, start, start + rules.window_size, np.empty(found))
    return pd.DataFrame(
        {
            "example_idx": example,
            "start": start - rules.flank,
            "end": windows.end + rules.flank,
            "attribution": span_sums(values, windows),
        }
    )
