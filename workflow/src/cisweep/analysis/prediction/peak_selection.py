"""Which predicted peaks are selected, and how sure each is. Torch-free."""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cisweep.analysis.prediction.peak_null import PeakNull, PeakRates
from cisweep.analysis.prediction.peaks import Blocks, streamed_maxima
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
    kept: dict[tuple, dict[str, tuple[float, float, float]]] = {}
    summary = []
    for target in targets:
        seen = _Seen()
        scores = seen.scores(blocks_of(target), rules.min_distance_bp)
        rates = PeakRates(nulls[target], scores) if nulls else None
        for _ in scores:  # without a null they are only counted
            pass
        strongest = _strongest(blocks_of(target), rules, rates)
        for place, values in strongest:
            kept.setdefault(place, {})[target] = values
        q = [values[2] for _, values in strongest]
        summary.append([target, *_summary(seen, rates, rules.fdr or rate), len(q), _largest(q)])
    rank = {name: i for i, name in enumerate(order)}
    places = sorted(kept, key=lambda k: (rank[k[0]], k[1], "+-.".index(k[3])))
    windows = [
        (c, s, e, ",".join(kept[c, s, e, d]), max(kept[c, s, e, d].values())[0], d)
        for c, s, e, d in places
    ]
    peaks = [(*place, target, *v) for place in places for target, v in kept[place].items()]
    return PeakTables(
        pd.DataFrame(windows, columns=WINDOWS),
        pd.DataFrame(peaks, columns=PEAKS.names()),
        pd.DataFrame(summary, columns=SUMMARY.names()),
    )


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


def _strongest(blocks: Blocks, rules: PeakRules, rates: PeakRates | None) -> list[tuple]:
    """Return ((chrom, start, end, strand), (prediction, p, q)) of what the rules select."""
    best: list[tuple] = []
    n = 0
    for windows, values in streamed_maxima(blocks, rules.min_distance_bp):
        p = q = np.full(len(values), np.nan)
        if rates is not None:
            p, q = rates.null.p_values(values), rates.q_values(values)
        wanted = np.ones(len(values), dtype=bool)
        if rules.threshold is not None:
            wanted &= values >= rules.threshold
        if rules.fdr is not None:
            wanted &= q <= rules.fdr
        for i in np.flatnonzero(wanted):
            n += 1
            place = (windows.chrom[i], int(windows.start[i]), int(windows.end[i]))
            numbers = (float(values[i]), float(p[i]), float(q[i]))
            item = (numbers[0], -n, ((*place, windows.strand[i]), numbers))
            if rules.top_n is None or len(best) < rules.top_n:
                heapq.heappush(best, item)
            elif item > best[0]:
                heapq.heapreplace(best, item)
    return [found for _, _, found in best]


def _summary(seen: _Seen, rates: PeakRates | None, rate: float) -> list[float]:
    """Return the columns of SUMMARY that stand between `target` and `n_selected`."""
    counts = [seen.n_windows, seen.n_maxima]
    if rates is None:
        return [*counts, 0, 0, seen.highest, np.nan, rate, 0, 0]
    null = rates.null
    found = [rates.smallest_q, rate, rates.n_at(rate), rates.n_needed(rate)]
    return [*counts, null.n_windows, len(null.scores), seen.highest, *found]


def _largest(values: list[float]) -> float:
    return max(values) if values else float("nan")
