"""Seqlets of a set that is cut into chunks: summarise, merge, call.

    map     summary = summarise(attributions)                one small file per chunk
    gather  background = merge(summaries)                    a page of JSON
    map     calls = call(attributions, background)           and the same for shuffled sequences
    gather  q-values and the cut at an FDR: see `seqlet_fdr`

What is exact and what is not: attributions are put on a grid of floats with `mantissa_bits`
bits of mantissa (12: relative steps of 2**-12 or finer, less than half a bin at the far end of
1000 bins), and clipped at the order statistics that leave a fraction `clip` at either end.
On those numbers everything is exact: the calls are those of `recursive_seqlets` on all chunks
in one array, whatever the chunks. With 23 bits and no clipping the calls are those on the
attributions themselves (a summary then grows with the number of distinct values).
Attribution sums in the calls are always those of the attributions as given.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from cisweep.analysis.seqlets.grid_counts import GridCounts, merge_counts, on_grid
from cisweep.analysis.seqlets.spans import (
    Null,
    SpanRules,
    as_attributions,
    bin_values,
    decode,
    flanked,
    null_of_counts,
    span_sums,
)
from cisweep.errors import AttributionError, ProductError

Sign = Literal["+", "-"]
SIGNS: tuple[Sign, Sign] = ("+", "-")
CALL_COLUMNS = ("example_idx", "start", "end", "sign", "attribution", "p_value")

# One summary serves both signs: the grid is symmetric around zero.
Summary = GridCounts


def summarise(attributions: Any, mantissa_bits: int = 12) -> Summary:
    """Return the counts of one target's projected attributions (N, L) on the grid; N may be 0."""
    values = as_attributions(attributions, "attributions").astype(np.float32, copy=False)
    return GridCounts.of(values, mantissa_bits)


@dataclass(frozen=True)
class Background:
    """What a chunk must know of all others: bins of both signs, and how full they are.

    `low` and `high` are the clip bounds (float32 values); `counts` has the counts of each sign's
    bins, which start at `low` for "+" and at -`high` for "-".
    """

    low: float
    high: float
    n_positions: int
    mantissa_bits: int
    clip: float
    rules: SpanRules
    counts: dict[str, tuple[int, ...]]

    @property
    def width(self) -> float:
        """Return the width of a bin; 0 if all attributions are equal."""
        return float(np.float32(self.high) - np.float32(self.low)) / (self.rules.n_bins - 1)

    def null(self, sign: Sign) -> Null | None:
        """Return the null distributions for a sign, or None where nothing can stand out."""
        if not self.width > 0:
            return None
        low = self.low if sign == "+" else -self.high
        return _null(self.counts[sign], low, self.width, self.rules.max_seqlet_len)

    def prepared(self, values: np.ndarray, sign: Sign) -> np.ndarray:
        """Return float32 attributions as they are binned: on the grid, clipped, upright."""
        kept = np.clip(on_grid(values, self.mantissa_bits), *np.float32([self.low, self.high]))
        return kept if sign == "+" else -kept

    def to_dict(self) -> dict[str, Any]:
        """Return the background as plain numbers, ready for json.dumps(..., sort_keys=True)."""
        return asdict(self) | {"counts": {sign: list(self.counts[sign]) for sign in SIGNS}}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Background":
        """Return the background that `to_dict` described."""
        try:
            counts = {sign: tuple(fields["counts"][sign]) for sign in SIGNS}
            return cls(**fields | {"rules": SpanRules(**fields["rules"]), "counts": counts})
        except (KeyError, TypeError) as error:
            raise ProductError(
                f"not a background of seqlets ({error})", mend="delete the file and run again"
            ) from error


@lru_cache(maxsize=4)
def _null(counts: tuple[int, ...], low: float, width: float, max_len: int) -> Null:
    return null_of_counts(np.asarray(counts, np.int64), low, width, max_len)


def merge(
    summaries: Iterable[Summary], clip: float = 1e-4, rules: SpanRules | None = None
) -> Background:
    """Return the background of all chunks of one target, in any order and grouping.

    `clip` is the fraction of positions beyond either clip bound; 0 clips nothing. `rules` are
    the lengths and number of bins to call with. Raises ProductError if there is no summary.
    """
    if not 0 <= clip < 0.5:
        raise AttributionError(f"clip must be a fraction from 0 to below 0.5, got {clip}")
    rules = rules or SpanRules()
    whole = merge_counts(summaries)
    n, low, high = whole.n, np.float32(0), np.float32(0)
    if n:
        beyond = int(clip * n)
        low, high = whole.order_statistic(beyond), whole.order_statistic(n - 1 - beyond)
    empty = Background(float(low), float(high), n, whole.mantissa_bits, clip, rules, {})
    counts = {sign: _bin_counts(whole, empty, sign) for sign in SIGNS}
    return Background(**{**vars(empty), "counts": counts})


def _bin_counts(whole: Summary, bounds: Background, sign: Sign) -> tuple[int, ...]:
    counts = np.zeros(bounds.rules.n_bins, np.int64)
    if bounds.width > 0:
        low = bounds.low if sign == "+" else -bounds.high
        upright = np.ascontiguousarray(bounds.prepared(whole.values, sign))
        bins = bin_values(upright, low, bounds.width, bounds.rules.n_bins)
        np.add.at(counts, bins, whole.counts)
    return tuple(counts.tolist())


def call(
    attributions: Any,
    background: Background,
    threshold: float = 0.01,
    signs: tuple[Sign, ...] = SIGNS,
) -> pd.DataFrame:
    """Return the positive and negative seqlets of one chunk against the background of all.

    Parameters
    ----------
    attributions : array or tensor (N, L), float32
        Projected attributions of one target; N may be 0.
    background : Background
        Of all chunks of that target.
    threshold : float
        Largest p-value of a span. It ranks, it is no error rate: call leniently, here and on
        shuffled sequences, and cut at an FDR afterwards (`seqlet_fdr`).
    signs : tuple
        "+", "-" or both. Each sign is called by itself.

    Returns
    -------
    DataFrame with example_idx (row of `attributions`), start, end (0-based, half-open), sign,
    attribution (sum over the span with its flanks, negative for "-"), p_value; ordered by
    example, start, end, sign.
    """
    if not threshold <= 1:
        raise AttributionError(
            f"threshold must be a p-value of at most 1, got {threshold}", where="threshold"
        )
    values = as_attributions(attributions, "attributions").astype(np.float32, copy=False)
    tables = [_call_sign(values, background, threshold, sign) for sign in signs]
    calls = pd.concat(tables, ignore_index=True)
    order = np.lexsort([calls[name] for name in ("sign", "end", "start", "example_idx")])
    return calls.iloc[order].reset_index(drop=True)


def _call_sign(
    values: np.ndarray, background: Background, threshold: float, sign: Sign
) -> pd.DataFrame:
    null = background.null(sign)
    if null is None or values.size == 0 or not threshold > 0:
        rows, numbers = np.empty(0, np.int64), np.empty(0)
        fields = (rows, rows, rows, np.empty(0, object), numbers, numbers)
    else:
        bins = null.bins(background.prepared(values, sign))
        spans = decode(bins, null, threshold, background.rules)
        spans = flanked(spans, background.rules.additional_flanks, values.shape[1])
        signs = np.full(len(spans.p), sign, object)
        sums = span_sums(values, spans)
        fields = (spans.example, spans.start, spans.end, signs, sums, spans.p)
    table = pd.DataFrame(dict(zip(CALL_COLUMNS, fields)))
    return table.astype({"sign": "str"})
