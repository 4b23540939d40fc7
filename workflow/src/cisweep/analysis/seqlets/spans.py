"""Null distributions of span sums, and the spans that stand out from them.

The arithmetic of the recursive seqlet algorithm (tangermeme 1.6.0), apart from where the
distribution of single positions comes from: `recursive_seqlets` takes it from one array,
`seqlet_background` from the merged summary of many.
"""

import ctypes
from bisect import bisect_right as bisect
from dataclasses import dataclass

import numpy as np

from cisweep.errors import AttributionError
from cisweep.kernels import array, kernel

_I64 = ctypes.c_int64
_BINS_TYPES = [_I64, ctypes.c_double, ctypes.c_double, _I64, array(np.int32, 1)]
_bins = {
    np.dtype(np.float32): kernel("seqlet_bins_f32", None, [array(np.float32, 1), *_BINS_TYPES]),
    np.dtype(np.float64): kernel("seqlet_bins_f64", None, [array(np.float64, 1), *_BINS_TYPES]),
}
_histogram = kernel("seqlet_histogram", None, [array(np.int32, 1), _I64, array(np.int64, 1)])
_tails = kernel("seqlet_tails", _I64, [array(np.float64, 1), _I64, _I64, array(np.float64, 2)])
_SPAN_TYPES = [array(np.int32, 2), _I64, _I64, array(np.float64, 2), _I64, array(np.int64, 1)]
_decode = kernel(
    "seqlet_decode",
    _I64,
    [*_SPAN_TYPES, _I64, _I64, *[array(np.int64, 1)] * 3, array(np.float64, 1)],
)
_count = kernel(
    "seqlet_count",
    _I64,
    [*_SPAN_TYPES, _I64, _I64, array(np.float64, 1), _I64, array(np.int64, 1)],
)
_SUM_TYPES = [_I64, *[array(np.int64, 1)] * 3, _I64, array(np.float64, 1)]
_sums = {
    np.dtype(np.float32): kernel("seqlet_sums_f32", None, [array(np.float32, 2), *_SUM_TYPES]),
    np.dtype(np.float64): kernel("seqlet_sums_f64", None, [array(np.float64, 2), *_SUM_TYPES]),
}


@dataclass(frozen=True)
class SpanRules:
    """What may be called a seqlet: lengths in bp, both ends included, and the number of bins."""

    min_seqlet_len: int = 4
    max_seqlet_len: int = 25
    additional_flanks: int = 0
    n_bins: int = 1000

    def __post_init__(self) -> None:
        if not 1 <= self.min_seqlet_len <= self.max_seqlet_len:
            raise AttributionError(
                f"min_seqlet_len {self.min_seqlet_len} and max_seqlet_len {self.max_seqlet_len} "
                "leave no length for a seqlet",
                mend="choose 1 <= min_seqlet_len <= max_seqlet_len",
            )
        if self.n_bins < 2 or self.additional_flanks < 0:
            raise AttributionError(
                f"n_bins {self.n_bins} or additional_flanks {self.additional_flanks} is too small",
                mend="choose n_bins >= 2 and additional_flanks >= 0",
            )


@dataclass(frozen=True)
class Null:
    """The distribution of one position's attribution in bins, and of sums of 1 to max bins.

    `tails[k, s]` is P(S >= s) for S the sum of k independent bins; float64.
    """

    low: float
    width: float
    n_bins: int
    tails: np.ndarray

    def bins(self, values: np.ndarray) -> np.ndarray:
        """Return the bin of each value, int32 of the same shape; the end bins take outsiders."""
        return bin_values(values, self.low, self.width, self.n_bins)


@dataclass(frozen=True)
class Spans:
    """Called spans, in the order of the calls; example, start and end int64, p float64."""

    example: np.ndarray
    start: np.ndarray
    end: np.ndarray
    p: np.ndarray


def bin_values(values: np.ndarray, low: float, width: float, n_bins: int) -> np.ndarray:
    """Return floor((value - low) / width) clamped to 0 .. n_bins - 1, int32."""
    bins = np.empty(values.shape, np.int32)
    _bins[values.dtype](values.reshape(-1), values.size, low, width, n_bins, bins.reshape(-1))
    return bins


def histogram(bins: np.ndarray, n_bins: int) -> np.ndarray:
    """Return how many entries each bin has, int64 (n_bins,)."""
    counts = np.zeros(n_bins, np.int64)
    _histogram(bins.reshape(-1), bins.size, counts)
    return counts


def null_of_counts(counts: np.ndarray, low: float, width: float, max_len: int) -> Null:
    """Return the null distributions that follow from the counts (n_bins,) of single positions."""
    n_bins = len(counts)
    tails = np.zeros((max_len + 1, n_bins * max_len + 1), np.float64)
    if _tails(counts / counts.sum(), n_bins, max_len, tails):
        raise MemoryError("no memory for the null distributions of seqlets")
    return Null(low, width, n_bins, tails)


def null_of_values(values: np.ndarray, rules: SpanRules) -> tuple[Null, np.ndarray] | None:
    """Return the null distributions and the bins of `values`, or None if all are equal."""
    low, high = values.min(), values.max()
    if low == high:
        return None
    width = float(high - low) / (rules.n_bins - 1)
    bins = bin_values(values, float(low), width, rules.n_bins)
    counts = histogram(bins, rules.n_bins)
    return null_of_counts(counts, float(low), width, rules.max_seqlet_len), bins


def _cuts(null: Null, threshold: float) -> np.ndarray:
    # A row of tails never rises, so the spans that pass are those at or above one integer sum.
    sums = range(null.tails.shape[1])
    passing = [bisect(sums, False, key=lambda s: tail[s] < threshold) for tail in null.tails]
    return np.asarray(passing, np.int64)


def decode(bins: np.ndarray, null: Null, threshold: float, rules: SpanRules) -> Spans:
    """Return the seqlets of binned attributions (N, L), without additional flanks.

    A span may be called if every sub-span of at least min_seqlet_len has p < threshold; longest
    first, then by the largest p-value of its prefixes, then leftmost; no overlaps.
    """
    n, length = bins.shape
    room = max(n * (length // rules.min_seqlet_len), 1)
    example, start, end = (np.empty(room, np.int64) for _ in range(3))
    p = np.empty(room, np.float64)
    shape = (n, length, null.tails, null.tails.shape[1], _cuts(null, threshold))
    lengths = (rules.min_seqlet_len, rules.max_seqlet_len)
    called = _decode(bins, *shape, *lengths, example, start, end, p)
    if called < 0:
        raise MemoryError("no memory to call seqlets")
    return Spans(*(field[:called].copy() for field in (example, start, end, p)))


def count(bins: np.ndarray, null: Null, thresholds: np.ndarray, rules: SpanRules) -> np.ndarray:
    """Return how many seqlets `decode` calls at each threshold (largest first), int64."""
    n, length = bins.shape
    calls = np.zeros(len(thresholds), np.int64)
    shape = (n, length, null.tails, null.tails.shape[1], _cuts(null, thresholds[0]))
    lengths = (rules.min_seqlet_len, rules.max_seqlet_len)
    if _count(bins, *shape, *lengths, thresholds, len(thresholds), calls):
        raise MemoryError("no memory to count seqlets")
    return calls


def span_sums(values: np.ndarray, spans: Spans) -> np.ndarray:
    """Return the sum of `values` (N, L) over each span, float64."""
    sums = np.empty(len(spans.p), np.float64)
    where = (spans.example, spans.start, spans.end)
    _sums[values.dtype](values, values.shape[1], *where, len(sums), sums)
    return sums


def flanked(spans: Spans, flanks: int, length: int) -> Spans:
    """Return the spans with `flanks` bp more on both sides, cut at the ends of the example."""
    start = np.maximum(spans.start - flanks, 0)
    end = np.minimum(spans.end + flanks, length)
    return Spans(spans.example, start, end, spans.p)


def as_attributions(values: object, name: str) -> np.ndarray:
    """Return projected attributions as a contiguous array (N, L), float32 or float64.

    Accepts arrays and anything with the `detach` and `cpu` of a tensor. Raises AttributionError
    for another rank, for values that are not numbers, and for NaN and infinities (with place).
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    if not isinstance(values, np.ndarray) or values.ndim != 2:
        shape = getattr(values, "shape", None)
        found = type(values).__name__ if shape is None else f"shape {tuple(shape)}"
        raise AttributionError(
            f"seqlets need projected attributions of shape (examples, length), got {found}",
            where=name,
            mend="pass the attribution of the observed base: (attributions * one_hot).sum(1)",
        )
    if values.dtype not in (np.float32, np.float64):
        if values.dtype.kind not in "fiu":
            raise AttributionError(f"dtype {values.dtype} is not numeric", where=name)
        values = values.astype(np.float32 if values.dtype == np.float16 else np.float64)
    values = np.ascontiguousarray(values)
    if values.size and not np.isfinite(values.min() + values.max()):
        bad = ~np.isfinite(values)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise AttributionError(
                f"{bad.sum()} values are NaN or infinite, the first at example {row}, "
                f"position {column}",
                where=name,
                mend="look at the model's output for that example, or drop it",
            )
    return values
