"""Which predicted peaks are selected, and how sure each is. Torch-free."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cisweep.analysis.prediction.peak_null import PeakNull, PeakRates
from cisweep.analysis.prediction.peaks import Blocks, streamed_maxima
from cisweep.contracts import Windows
from cisweep.products.select import PEAKS, SUMMARY

_NUMBERS = ("prediction", "p_value", "q_value", "specificity")


@dataclass(frozen=True)
class PeakRules:
    """Which local maxima of a target are selected.

    min_distance_bp: a maximum is the highest window within it; fdr: largest q-value, None where no
    rate decides; threshold: smallest prediction; top_n: the number that is kept of those that pass
    both. They are those of the highest predictions or, with `specificity`, of the highest value of
    this function: predictions (N, C) of all columns of the blocks -> (N, T) of the targets.
    """

    min_distance_bp: int
    fdr: float | None = None
    top_n: int | None = None
    threshold: float | None = None
    specificity: Callable[[np.ndarray], np.ndarray] | None = None


class PeakSelection:
    """The peaks of all targets, in genome order.

    blocks: gives (windows, predictions (N, C)) in genome order, and is called once for each pass:
    one for the rates, if there are nulls, one for top_n, if it is given, and one by `rows`;
    columns: target -> its column; nulls: target -> peaks of shuffled sequence; rate: what counts
    as above chance where rules.fdr is None. Memory depends on the size of a block, of the nulls
    and, with top_n, on n numbers a target, and not on the number of windows or peaks. Ties are
    broken by place.
    """

    def __init__(
        self,
        blocks: Callable[[], Blocks],
        columns: Mapping[str, int],
        rules: PeakRules,
        *,
        nulls: Mapping[str, PeakNull] | None = None,
        rate: float = 0.1,
    ):
        self._blocks, self._rules, self._rate = blocks, rules, rules.fdr or rate
        self._targets, self._columns = list(columns), list(columns.values())
        self._seen: list[_Seen] = []
        self._rates = None if nulls is None else [PeakRates(nulls[t]) for t in self._targets]
        if self._rates is not None:
            for _, values, peak in self._maxima():
                for t, column in enumerate(self._columns):
                    self._rates[t].add(values[peak[:, t], column])
        self._top = self._strongest() if rules.top_n is not None else None

    def rows(self) -> Iterator[pd.DataFrame]:
        """Yield the peaks, one row a window and target, columns PEAKS, some at a time and in genome
        order; p_value and q_value are NaN without a null. `summary` is known once all were."""
        self._seen = [_Seen() for _ in self._targets]
        for windows, values, peak in self._maxima(self._count):
            found = []
            for t, rows, *numbers in self._chosen(values, peak, self._admit):
                self._seen[t].selected(numbers[2])
                found.append([np.full(len(rows), t), rows, *numbers])
            if not found:
                continue
            target, row, *numbers = map(np.concatenate, zip(*found))
            order = np.lexsort((target, row))
            places = windows.take(row[order])
            table = {name: getattr(places, name) for name in ("chrom", "start", "end", "strand")}
            table["target"] = np.array(self._targets, dtype=object)[target[order]]
            table |= {n: v[order].astype(np.float64) for n, v in zip(_NUMBERS, numbers)}
            yield pd.DataFrame(table)

    @property
    def names(self) -> list[str]:
        """The columns of `rows`."""
        own = [] if self._rules.specificity is None else ["specificity"]
        return [*PEAKS.names(), *own]

    def summary(self) -> pd.DataFrame:
        """Return one row a target, columns SUMMARY, of products.select."""
        rows = []
        for t, (target, seen) in enumerate(zip(self._targets, self._seen)):
            counts = [target, seen.n_windows, seen.n_maxima]
            if self._rates is None:
                known = [0, 0, seen.highest, np.nan, self._rate, 0, 0]
            else:
                rates, rate = self._rates[t], self._rate
                known = [rates.null.n_windows, len(rates.null.scores), seen.highest]
                known += [rates.smallest_q, rate, rates.n_at(rate), rates.n_needed(rate)]
            rows.append([*counts, *known, seen.n_selected, seen.largest_q])
        return pd.DataFrame(rows, columns=SUMMARY.names())

    def _maxima(
        self, count: Callable[[Blocks], Blocks] = lambda blocks: blocks
    ) -> Iterator[tuple[Windows, np.ndarray, np.ndarray]]:
        distance = self._rules.min_distance_bp
        return streamed_maxima(count(self._blocks()), distance, self._columns)

    def _count(self, blocks: Blocks) -> Blocks:
        for windows, values in blocks:
            for seen in self._seen:
                seen.n_windows += len(windows)
            yield windows, values

    def _chosen(
        self, values: np.ndarray, peak: np.ndarray, wanted: Callable[[int, np.ndarray], np.ndarray]
    ) -> Iterator[tuple[Any, ...]]:
        """Yield target, rows, predictions, p, q and, by specificity, that of what the rules leave
        of maxima, and of that what `wanted` (target, what they are ranked by) does."""
        rules = self._rules
        by = None if rules.specificity is None or not len(values) else rules.specificity(values)
        for t, column in enumerate(self._columns):
            rows = np.flatnonzero(peak[:, t])
            score = values[rows, column]
            p = q = np.full(len(rows), np.nan)
            if self._rates is not None:
                p, q = self._rates[t].null.p_values(score), self._rates[t].q_values(score)
            kept = np.ones(len(rows), dtype=bool)
            if rules.threshold is not None:
                kept &= score >= rules.threshold
            if rules.fdr is not None:
                kept &= q <= rules.fdr
            if self._seen:
                self._seen[t].maxima(score)
            numbers = [score, p, q, *([] if by is None else [by[rows, t]])]
            rows, *numbers = (each[kept] for each in (rows, *numbers))
            kept = wanted(t, numbers[-1] if by is not None else numbers[0])
            if kept.any():
                yield t, *(each[kept] for each in (rows, *numbers))

    def _strongest(self) -> list["_Top"]:
        """Return what the n strongest of each target are at least."""
        found = [_Top(self._rules.top_n) for _ in self._targets]

        def add(t: int, scores: np.ndarray) -> np.ndarray:
            found[t].add(scores)
            return np.zeros(len(scores), dtype=bool)

        for _, values, peak in self._maxima():
            for _ in self._chosen(values, peak, add):
                pass
        return found

    def _admit(self, t: int, scores: np.ndarray) -> np.ndarray:
        if self._top is None:
            return np.ones(len(scores), dtype=bool)
        return self._top[t].admit(scores)


class _Top:
    """The n highest of scores that come twice in the same order; of equal ones the first."""

    def __init__(self, n: int):
        self._n, self._held = n, np.zeros(0)
        self._left: int | None = None  # how many of those that equal the n-th are admitted yet

    def add(self, scores: np.ndarray) -> None:
        held = np.concatenate([self._held, scores])
        if len(held) > self._n:
            held = np.partition(held, len(held) - self._n)[len(held) - self._n :]
        self._held = held

    def admit(self, scores: np.ndarray) -> np.ndarray:
        """Return (N,) bool: which of the scores are among them; asked for all in their order."""
        if len(self._held) < self._n:
            return np.ones(len(scores), dtype=bool)
        least = self._held.min()
        if self._left is None:
            self._left = int((self._held == least).sum())
        equal = scores == least
        first = equal & (np.cumsum(equal) <= self._left)
        self._left -= int(first.sum())
        return (scores > least) | first


@dataclass
class _Seen:
    """What is counted of a target while its peaks are selected."""

    n_windows: int = 0
    n_maxima: int = 0
    highest: float = float("nan")
    n_selected: int = 0
    largest_q: float = float("nan")

    def maxima(self, scores: np.ndarray) -> None:
        if len(scores):
            self.n_maxima += len(scores)
            self.highest = float(np.fmax(self.highest, scores.max()))

    def selected(self, q: np.ndarray) -> None:
        if len(q):
            self.n_selected += len(q)
            self.largest_q = float(np.fmax(self.largest_q, q.max()))


@dataclass(frozen=True)
class PeakTables:
    """The peaks of all targets at once: what `PeakSelection` gives, joined."""

    peaks: pd.DataFrame
    summary: pd.DataFrame


def predicted_peaks(
    blocks: Callable[[], Blocks],
    targets: Sequence[str],
    rules: PeakRules,
    *,
    columns: Sequence[int] | None = None,
    **options: Any,
) -> PeakTables:
    """Return the peaks of all targets, as PeakSelection gives them.

    columns: of the blocks, one a target; None: the first target is the first column, and so on.
    """
    column_of = dict(zip(targets, columns or range(len(targets))))
    selection = PeakSelection(blocks, column_of, rules, **options)
    parts = list(selection.rows())
    none = pd.DataFrame(columns=selection.names)
    return PeakTables(pd.concat(parts, ignore_index=True) if parts else none, selection.summary())
