"""Which predicted peaks are selected, and how sure each is. Torch-free."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from cisweep.analysis.prediction.peak_null import PeakNull, PeakRates
from cisweep.analysis.prediction.peaks import Blocks, streamed_maxima
from cisweep.contracts import STRANDS, Windows
from cisweep.products.select import PEAKS, SUMMARY

WINDOWS = ["chrom", "start", "end", "name", "score", "strand"]


@dataclass(frozen=True)
class PeakRules:
    """Which local maxima of a target are selected.

    min_distance_bp: a maximum is the highest window within it; fdr: largest q-value, None where no
    rate decides; top_n: the number of the strongest that is kept; threshold: smallest prediction.
    """

    min_distance_bp: int
    fdr: float | None = None
    top_n: int | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class PeakTables:
    """The peaks of all targets, in genome order.

    windows: one row per window, columns WINDOWS: name is its targets, joined by a comma, score the
    highest of their predictions. peaks: one row per window and target, columns PEAKS; p_value and
    q_value are NaN without a null. summary: one row per target, columns SUMMARY. PEAKS and SUMMARY
    are those of products.select.
    """

    windows: pd.DataFrame
    peaks: pd.DataFrame
    summary: pd.DataFrame


def predicted_peaks(
    blocks_of: Callable[[str], Blocks],
    targets: list[str],
    rules: PeakRules,
    *,
    order: list[str],
    nulls: Mapping[str, PeakNull] | None = None,
    rate: float = 0.1,
) -> PeakTables:
    """Return the peaks of all targets.

    blocks_of: target -> (windows, predictions) in genome order, asked for twice; order:
    chromosomes; nulls: target -> peaks of shuffled sequence; rate: what counts as above chance
    where rules.fdr is None. Memory depends on the number of peaks, not of windows. Ties are broken
    by place.
    """
    parts, summary = [], []
    for target in targets:
        seen = _Seen()
        scores = seen.scores(blocks_of(target), rules.min_distance_bp)
        rates = PeakRates(nulls[target], scores) if nulls else None
        for _ in scores:  # without a null they are only counted
            pass
        strongest = _strongest(blocks_of(target), rules, rates)
        parts.append(strongest)
        q = strongest.numbers[:, 2]
        summary.append([target, *_summary(seen, rates, rules.fdr or rate), len(q), _largest(q)])
    windows, peaks = _tables(parts, targets, order)
    return PeakTables(windows, peaks, pd.DataFrame(summary, columns=SUMMARY.names()))


@dataclass(frozen=True)
class _Peaks:
    """Peaks of a target: their windows, and (n, 3) prediction, p and q."""

    windows: Windows
    numbers: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        numbers = np.concatenate([np.empty((0, 3)), *(part.numbers for part in parts)])
        return cls(Windows.concatenate([part.windows for part in parts]), numbers)

    def take(self, rows: np.ndarray) -> Self:
        return type(self)(self.windows.take(rows), self.numbers[rows])


def _tables(
    parts: list[_Peaks], targets: list[str], order: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of windows and of peaks, in genome order. parts: those of each target."""
    joined = _Peaks.joined(parts)
    places = joined.windows
    target = np.repeat(np.arange(len(targets)), [len(part.windows) for part in parts])
    place_of = {name: i for i, name in enumerate(order)}
    code, names = pd.factorize(places.chrom)
    chrom = np.array([place_of[name] for name in names], dtype=np.int64)[code]
    code, names = pd.factorize(places.strand)
    strand = np.array([STRANDS.index(name) for name in names], dtype=np.int64)[code]
    keys = (chrom, places.start, strand)
    rows = np.lexsort((target, *keys[::-1]))
    joined, target = joined.take(rows), target[rows]
    places = joined.windows
    # A window of several targets has a row of each, side by side.
    again = np.ones(max(len(rows) - 1, 0), dtype=bool)
    for key in keys:
        again &= np.diff(key[rows]) == 0
    first = np.flatnonzero(np.concatenate([[True] * (len(rows) > 0), ~again]))
    peaks = {
        **{name: getattr(places, name) for name in ("chrom", "start", "end", "strand")},
        "target": np.array(targets, dtype=object)[target],
        **dict(zip(("prediction", "p_value", "q_value"), joined.numbers.T)),
    }
    whole = places.take(first)
    windows = {
        "chrom": whole.chrom,
        "start": whole.start,
        "end": whole.end,
        "name": _joined_names(target, first, targets),
        "score": np.maximum.reduceat(joined.numbers[:, 0], first) if len(first) else [],
        "strand": whole.strand,
    }
    return pd.DataFrame(windows, columns=WINDOWS), pd.DataFrame(peaks, columns=PEAKS.names())


def _joined_names(target: np.ndarray, first: np.ndarray, targets: list[str]) -> np.ndarray:
    """Return the names of the targets of each window, joined by a comma.

    target: (n,) of each row, ascending within a window; first: (w,) the first row of each window.
    """
    window = np.repeat(np.arange(len(first)), np.diff([*first, len(target)]))
    found = np.full(len(first), "", dtype=object)
    for i, name in enumerate(targets):
        of = window[target == i]
        # Each combination of names is one text.
        texts, code = pd.factorize(found[of])[::-1]
        found[of] = np.array([f"{t},{name}" if t else name for t in texts], dtype=object)[code]
    return found


@dataclass
class _Seen:
    """What a first pass over the maxima of a target counts."""

    n_windows: int = 0
    n_maxima: int = 0
    highest: float = float("nan")

    def scores(self, blocks: Blocks, distance_bp: int) -> Iterator[np.ndarray]:
        """Yield the predictions of the maxima."""
        for _, values in streamed_maxima(self._windows(blocks), distance_bp):
            if len(values):
                self.n_maxima += len(values)
                self.highest = float(np.fmax(self.highest, values.max()))
                yield values

    def _windows(self, blocks: Blocks) -> Blocks:
        for windows, values in blocks:
            self.n_windows += len(windows)
            yield windows, values


def _strongest(blocks: Blocks, rules: PeakRules, rates: PeakRates | None) -> _Peaks:
    """Return what the rules select, in genome order."""
    held: list[_Peaks] = []
    for windows, values in streamed_maxima(blocks, rules.min_distance_bp):
        p = q = np.full(len(values), np.nan)
        if rates is not None:
            p, q = rates.null.p_values(values), rates.q_values(values)
        wanted = np.ones(len(values), dtype=bool)
        if rules.threshold is not None:
            wanted &= values >= rules.threshold
        if rules.fdr is not None:
            wanted &= q <= rules.fdr
        if wanted.any():
            numbers = np.stack([values, p, q], axis=1).astype(np.float64)
            held.append(_Peaks(windows, numbers).take(wanted))
        if rules.top_n is not None and sum(len(part.numbers) for part in held) > 2 * rules.top_n:
            held = [_top(_Peaks.joined(held), rules.top_n)]
    found = _Peaks.joined(held)
    return found if rules.top_n is None else _top(found, rules.top_n)


def _top(peaks: _Peaks, n: int) -> _Peaks:
    """Return the n strongest in their order; of equal ones the first."""
    strongest = np.argsort(-peaks.numbers[:, 0], kind="stable")[:n]
    return peaks.take(np.sort(strongest))


def _summary(seen: _Seen, rates: PeakRates | None, rate: float) -> list[float]:
    """Return the columns of SUMMARY that stand between `target` and `n_selected`."""
    counts = [seen.n_windows, seen.n_maxima]
    if rates is None:
        return [*counts, 0, 0, seen.highest, np.nan, rate, 0, 0]
    null = rates.null
    found = [rates.smallest_q, rate, rates.n_at(rate), rates.n_needed(rate)]
    return [*counts, null.n_windows, len(null.scores), seen.highest, *found]


def _largest(values: np.ndarray) -> float:
    return float(values.max()) if len(values) else float("nan")
