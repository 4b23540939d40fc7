"""The numbers that say how two alleles differ, from their predictions alone (NumPy only)."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cisweep.analysis.motifs.qvalues import bh_qvalues
from cisweep.analysis.prediction.profiles import jensen_shannon_distance

PROFILE_COLUMNS = {
    "jsd": "profile_jsd",
    "max_signed": "profile_max",
    "max_abs": "profile_max_abs",
}

EFFECT_COLUMNS = [
    *("chrom", "start", "end", "pos", "ref", "alt", "id", "group", "kind", "shifted_bp", "source"),
    *("n_joined", "haplotype", "target", "scale", "prediction_ref", "prediction_alt", "delta"),
    *("delta_sd", "log2fc", "delta_probability", *PROFILE_COLUMNS.values()),
]
"""Columns of the table of effects in memory, one row per variant and target; pos is 0-based, of
`ref`. Files have pos_1based in its place (outputs/variants.py)."""

LOG_SCALES = ("log_counts", "log1p_counts")


def log2_fold_change(ref: np.ndarray, alt: np.ndarray, scale: str) -> np.ndarray:
    """Return log2 of alt over ref, NaN where the target's scale has no fold change.

    ref, alt: predictions in the target's own scale. log_counts, log1p_counts: (alt - ref) / ln 2;
    counts: log2((alt + 1) / (ref + 1)); logit, probability, value: NaN.
    """
    ref, alt = np.asarray(ref, dtype=np.float64), np.asarray(alt, dtype=np.float64)
    if scale in LOG_SCALES:
        return (alt - ref) / np.log(2)
    if scale == "counts":
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log2((alt + 1) / (ref + 1))
    return np.full(ref.shape, np.nan)


def probability_change(ref: np.ndarray, alt: np.ndarray, scale: str) -> np.ndarray:
    """Return the probability of alt minus that of ref, NaN but for logit and probability."""
    ref, alt = np.asarray(ref, dtype=np.float64), np.asarray(alt, dtype=np.float64)
    if scale == "logit":
        return 0.5 * (np.tanh(alt / 2) - np.tanh(ref / 2))
    return alt - ref if scale == "probability" else np.full(ref.shape, np.nan)


@dataclass(frozen=True)
class ProfileChange:
    """How two profiles differ, (V,) float64 each.

    jsd: Jensen-Shannon distance, base 2, from 0 to 1; max_signed: the largest change of a
    column's share of the profile, with its sign; max_abs: its size.
    """

    jsd: np.ndarray
    max_signed: np.ndarray
    max_abs: np.ndarray


def profile_change(
    ref: np.ndarray, alt: np.ndarray, columns: np.ndarray, offset: int
) -> ProfileChange:
    """Return how the profile changes on the columns that both alleles have.

    ref, alt: (V, tracks, P) probabilities; columns: (V, W) of AlleleWindows; offset: position in
    the window of the profile's first column. Inserted and deleted columns, and those that the
    trimming moved out, are left out and the rest is renormalised, over tracks and columns together.
    """
    length = alt.shape[2]
    source = columns[:, offset : offset + length] - offset
    shared = (columns[:, offset : offset + length] >= 0) & (source >= 0) & (source < length)
    index = np.where(shared, source, 0)[:, None, :]
    p = np.take_along_axis(ref.astype(np.float64), np.broadcast_to(index, alt.shape), axis=2)
    p, q = p * shared[:, None], alt.astype(np.float64) * shared[:, None]
    p, q = (x.reshape(len(x), -1) for x in (p, q))
    p, q = (x / x.sum(axis=1, keepdims=True) for x in (p, q))
    change = q - p
    at = np.abs(change).argmax(axis=1)
    signed = np.take_along_axis(change, at[:, None], axis=1)[:, 0]
    return ProfileChange(jensen_shannon_distance(p, q), signed, np.abs(signed))


def active_allele_quantile(ref: np.ndarray, alt: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Return the rank, 0 to 1, of the more active allele among the predictions for peaks.

    ref, alt: (V,) predictions; peaks: (n,) predictions of the same target for peaks. The rank is
    the share of peaks that are predicted at most as high. It says how active the place is, not how
    large the effect. Source: active_allele_quantile of the Kundaje lab's variant-scorer.
    """
    ordered = np.sort(np.asarray(peaks, dtype=np.float64))
    active = np.maximum(ref, alt).astype(np.float64)
    return np.searchsorted(ordered, active, side="right") / len(ordered)


@dataclass(frozen=True)
class NullPool:
    """Effects of variants in shuffled flanks, a sample that merges to the same rows in any order.

    keys: (n,) uint64 hashes, one a draw; deltas: (n, T) float32. At most `size` draws with the
    smallest keys are kept, so chunks may be merged one by one in bounded memory.
    """

    keys: np.ndarray
    deltas: np.ndarray
    size: int = 100_000

    @classmethod
    def empty(cls, n_targets: int, size: int = 100_000) -> "NullPool":
        """Return a pool without draws."""
        return cls(np.empty(0, np.uint64), np.empty((0, n_targets), np.float32), size)

    def merge(self, others: Iterable["NullPool"]) -> "NullPool":
        """Return the pool of all draws of both; draws with one key are the same draw."""
        pool = self
        for other in others:
            keys, first = np.unique(np.concatenate([pool.keys, other.keys]), return_index=True)
            deltas = np.concatenate([pool.deltas, other.deltas])[first]
            pool = NullPool(keys[: self.size], deltas[: self.size], self.size)
        return pool

    def exceeding(self, delta: np.ndarray) -> np.ndarray:
        """Return (V, T) int64: how many nulls of the target are at least as far from 0."""
        found = np.empty(delta.shape, dtype=np.int64)
        for t in range(delta.shape[1]):
            sizes = np.sort(np.abs(self.deltas[:, t]))
            place = np.searchsorted(sizes, np.abs(delta[:, t]).astype(np.float32), side="left")
            found[:, t] = len(sizes) - place
        return found

    def p_values(self, exceeding: np.ndarray) -> np.ndarray:
        """Return the two-sided empirical p-values (r + 1) / (n + 1)."""
        return (exceeding + 1) / (len(self.keys) + 1)

    def counts(self, exceeding: np.ndarray) -> np.ndarray:
        """Return (T, n + 1) int64: variants with each number of exceeding nulls; these add up."""
        n = len(self.keys) + 1
        columns = [np.bincount(c, minlength=n) for c in exceeding.T]
        return np.array(columns, dtype=np.int64).reshape(exceeding.shape[1], n)

    def q_values(self, exceeding: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return (V, T) Benjamini-Hochberg q-values, per target, among the variants of `counts`."""
        cells = self.p_values(np.arange(counts.shape[1]))
        per_cell = [bh_qvalues(cells, int(c.sum()), c) for c in counts]
        columns = [q[r] for q, r in zip(per_cell, exceeding.T)]
        return np.array(columns).reshape(exceeding.shape[::-1]).T
