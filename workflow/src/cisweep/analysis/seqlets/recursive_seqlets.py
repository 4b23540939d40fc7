"""Seqlets: spans of high attribution, called on the attributions of one set of sequences.

For a set that is cut into chunks see `background` (summaries, merge, calls) and
`fdr` (q-values against attributions of shuffled sequences).
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cisweep.analysis.seqlets.spans import (
    Null,
    SpanRules,
    as_attributions,
    count,
    decode,
    flanked,
    null_of_values,
    span_sums,
)
from cisweep.analysis.seqlets.tfmodisco_seqlets import (
    WindowRules,
    call_windows,
    fit_thresholds,
    window_sums,
)
from cisweep.errors import AttributionError

# tf-modiscolite fits thresholds on this many windows, drawn with this seed.
_SAMPLE, _SAMPLE_SEED = 1_000_000, 1234

# The thresholds at which a control is counted: four a decade.
_THRESHOLDS = np.ascontiguousarray(np.logspace(-1, -30, 117))


class RecursiveSeqletsResult(NamedTuple):
    """Seqlets, and the estimated false discovery rate at each threshold that was tried."""

    seqlets: pd.DataFrame
    fdr: pd.DataFrame


def recursive_seqlets(
    X: Any,
    threshold: float = 0.01,
    min_seqlet_len: int = 4,
    max_seqlet_len: int = 25,
    additional_flanks: int = 0,
    n_bins: int = 1000,
    X_control: Any = None,
    target_fdr: float = 0.1,
    return_fdr: bool = False,
) -> pd.DataFrame | RecursiveSeqletsResult:
    """Return the spans whose every sub-span has a significantly high attribution.

    Attributions are put into `n_bins` bins between their minimum and maximum; the p-value of a
    span is the chance that as many independent positions sum to at least as much. P-values rank
    spans; they are no error rates, and depend on all examples of the call. Only positive
    seqlets are called; for negative ones pass -X.

    Parameters
    ----------
    X : array or tensor (N, L), float
        Projected attributions: those of the observed bases.
    threshold : float
        Largest p-value of a span, at most 1; ignored with `X_control`.
    min_seqlet_len, max_seqlet_len : int
        Shortest and longest seqlet in bp; the sub-spans that must pass start at the shortest.
    additional_flanks : int
        Positions added on both sides after calling, cut at the ends of the example; the
        attribution is the sum with them, the p-value that of the span without.
    n_bins : int
        Number of bins.
    X_control : array or tensor (M, K), float, optional
        Attributions of sequences without signal, such as shuffled ones. The threshold then is
        the largest of 117 (0.1 to 1e-30) with (control seqlets + 1) x (positions of X /
        positions of control) / seqlets <= `target_fdr`.
    target_fdr : float
        False discovery rate to call at with `X_control`; a warning and no seqlets if none does.
    return_fdr : bool
        Also return the estimate at each threshold.

    Returns
    -------
    DataFrame with example_idx, start, end (0-based, half-open, int64), attribution (sum of X)
    and p-value, by p-value and then in the order of the calls; with `return_fdr` a
    RecursiveSeqletsResult whose `fdr` has threshold, n_seqlets, n_control_seqlets and fdr.

    Raises AttributionError for an empty, non-finite or wrongly shaped input and impossible
    options. Source: tangermeme 1.6.0 `recursive_seqlets`, same calls; equal p-values are kept
    in the order of the calls, where tangermeme's order of ties is that of an unstable sort.
    """
    rules = SpanRules(min_seqlet_len, max_seqlet_len, additional_flanks, n_bins)
    values = _not_empty(as_attributions(X, "X"), "X")
    if return_fdr and X_control is None:
        raise AttributionError(
            "return_fdr needs a control",
            where="X_control",
            mend="pass attributions of shuffled sequences as X_control",
        )
    if X_control is None and not threshold <= 1:
        raise AttributionError(
            f"threshold must be a p-value of at most 1, got {threshold}", where="threshold"
        )
    found = null_of_values(values, rules)
    fdr = None
    if X_control is not None:
        control = as_attributions(X_control, "X_control").astype(values.dtype, copy=False)
        fdr = _fdr_curve(values, _not_empty(control, "X_control"), found, rules)
        threshold = _threshold_at(fdr, target_fdr)
    seqlets = _call(values, found, threshold, rules)
    return seqlets if not return_fdr else RecursiveSeqletsResult(seqlets, fdr)


def tfmodisco_seqlets(
    X_attr: Any,
    window_size: int = 21,
    flank: int = 10,
    target_fdr: float = 0.2,
    min_passing_frac: float = 0.03,
    max_passing_frac: float = 0.2,
    weak_threshold_for_counting_sign: float = 0.8,
) -> pd.DataFrame:
    """Return the windows of high positive or negative attribution that TF-MoDISco starts from.

    Window sums are compared with a Laplace null; thresholds are where an isotonic fit of the
    precision reaches 1 - `target_fdr`, moved so that a fraction of windows between the two
    bounds passes; then the largest sums are taken greedily.

    Parameters
    ----------
    X_attr : array or tensor (N, L), float
        Projected attributions: those of the observed bases.
    window_size, flank : int
        Width of the window and what is added on both sides, in bp. Windows nearer than `flank`
        to an end, and those within window_size // 2 + flank of a larger one, are not called.
    target_fdr : float
        Share of called windows that the null may explain.
    min_passing_frac, max_passing_frac : float
        Bounds of the fraction of windows that pass.
    weak_threshold_for_counting_sign : float
        Has no effect on the set (see `tfmodisco.Thresholds.weak`); kept for the signature.

    Returns
    -------
    DataFrame with example_idx, start, end (0-based, half-open, with flanks), attribution (sum
    of the window without flanks; negative ones too); by example, largest first.

    Raises AttributionError for an empty, non-finite or wrongly shaped input and impossible
    options. Source: tf-modiscolite 2.5.2 `extract_seqlets`, same set, but `flank=0` works.
    tangermeme 1.6.0 differs: it does not sort the sums before it reads the threshold.
    """
    rules = WindowRules(
        window_size,
        flank,
        target_fdr,
        min_passing_frac,
        max_passing_frac,
        weak_threshold_for_counting_sign,
    )
    values = _not_empty(as_attributions(X_attr, "X_attr"), "X_attr")
    sums = window_sums(values, rules)
    thresholds = fit_thresholds(*run_and_sample(sums.reshape(-1)), rules)
    return call_windows(values, thresholds, rules, sums)


def run_and_sample(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return window sums (n,) in ascending order, and of many the sample that tf-modiscolite draws
    for its thresholds, ascending too (None: all)."""
    if len(sums) <= _SAMPLE:
        return np.sort(sums), None
    # What tf-modiscolite's `choice` without replacement draws is the start of a permutation.
    order = np.random.RandomState(_SAMPLE_SEED).permutation(len(sums))
    sample, rest = np.sort(sums[order[:_SAMPLE]]), np.sort(sums[order[_SAMPLE:]])
    # numpy's stable sort merges two ascending stretches in one pass.
    return np.sort(np.concatenate([sample, rest]), kind="stable"), sample


def _not_empty(values: np.ndarray, name: str) -> np.ndarray:
    if values.size == 0:
        raise AttributionError(f"there are no attributions: shape {values.shape}", where=name)
    return values


def _call(
    values: np.ndarray, found: tuple[Null, np.ndarray] | None, threshold: float, rules: SpanRules
) -> pd.DataFrame:
    if found is None or not threshold > 0:  # a constant has no span that stands out
        found, rows = None, np.empty(0, np.int64)
        fields = (rows, rows, rows, rows.astype(float), rows.astype(float))
    else:
        null, bins = found
        spans = decode(bins, null, threshold, rules)
        spans = flanked(spans, rules.additional_flanks, values.shape[1])
        fields = (spans.example, spans.start, spans.end, span_sums(values, spans), spans.p)
    order = np.argsort(fields[-1], kind="stable")
    names = ("example_idx", "start", "end", "attribution", "p-value")
    return pd.DataFrame({name: field[order] for name, field in zip(names, fields)})


def _fdr_curve(
    values: np.ndarray,
    control: np.ndarray,
    found: tuple[Null, np.ndarray] | None,
    rules: SpanRules,
) -> pd.DataFrame:
    calls = decoys = np.zeros(len(_THRESHOLDS), np.int64)
    if found is not None:
        null, bins = found
        calls = count(bins, null, _THRESHOLDS, rules)
        decoys = count(null.bins(control), null, _THRESHOLDS, rules)
    scale = values.size / control.size
    with np.errstate(divide="ignore"):
        estimate = np.where(calls > 0, (decoys + 1) * scale / calls, np.nan)
    return pd.DataFrame(
        {
            "threshold": _THRESHOLDS,
            "n_seqlets": calls,
            "n_control_seqlets": decoys,
            "fdr": estimate,
        }
    )


def _threshold_at(fdr: pd.DataFrame, target_fdr: float) -> float:
    passing = fdr["threshold"][fdr["fdr"] <= target_fdr]
    if len(passing):
        return float(passing.max())
    known = fdr.dropna(subset=["fdr"])
    best = "no threshold calls a seqlet"
    if len(known):
        row = known.loc[known["fdr"].idxmin()]
        best = (
            f"the lowest estimate is {row['fdr']:.3f}, at threshold {row['threshold']:.1e} with "
            f"{int(row['n_seqlets'])} seqlets"
        )
    warnings.warn(
        f"no threshold reaches target_fdr={target_fdr}: {best}; no seqlets are returned",
        stacklevel=3,
    )
    return 0.0
