"""Predicted peaks: windows whose prediction is the highest within a distance. Torch-free."""

import heapq
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from cisweep.contracts import Windows

Blocks = Iterable[tuple[Windows, np.ndarray]]


def local_maxima(windows: Windows, values: np.ndarray, distance_bp: int) -> np.ndarray:
    """Return (N,) bool: no window of the same chromosome whose centre is nearer than distance_bp
    has a higher value, and none before it an equal one. Windows are in genome order."""
    centre, n = windows.centre, len(windows)
    peak = np.isfinite(values)
    offset = 1
    while offset < n:
        near = (centre[offset:] - centre[:-offset] < distance_bp) & (
            windows.chrom[offset:] == windows.chrom[:-offset]
        )
        if not near.any():
            break
        left, right = values[:-offset], values[offset:]
        peak[offset:] &= ~(near & (left >= right))
        peak[:-offset] &= ~(near & (right > left))
        offset += 1
    return peak


def streamed_maxima(blocks: Blocks, distance_bp: int) -> Iterable[tuple[Windows, np.ndarray]]:
    """Yield the local maxima of windows that come block by block, as one whole would give them.

    A row is decided once all rows within the distance on both sides are there.
    """
    held, values = Windows.build([], [], []), np.zeros(0)
    decided = 0  # rows of `held` that were decided in an earlier round, kept as left context
    for windows, new in blocks:
        if not len(windows):
            continue
        held, values = Windows.concatenate([held, windows]), np.concatenate([values, new])
        last_chrom, last = held.chrom[-1], held.centre[-1]
        open_rows = (held.chrom == last_chrom) & (held.centre > last - distance_bp)
        n_sure = len(held) - int(open_rows.sum())
        if n_sure > decided:
            peak = local_maxima(held, values, distance_bp)
            peak[:decided] = peak[n_sure:] = False
            yield held.take(peak), values[peak]
        context = (held.chrom == last_chrom) & (held.centre > last - 2 * distance_bp)
        first = len(held) - int(context.sum())
        decided = max(n_sure - first, 0)
        held, values = held.take(slice(first, None)), values[first:]
    if len(held):
        peak = local_maxima(held, values, distance_bp)
        peak[:decided] = False
        yield held.take(peak), values[peak]


def predicted_peaks(
    blocks_of: Callable[[str], Blocks],
    targets: list[str],
    *,
    top_n: int | None,
    threshold: float | None,
    min_distance_bp: int,
    order: list[str],
) -> pd.DataFrame:
    """Return the peaks of all targets, one row a window, in genome order.

    blocks_of: target -> (windows, predictions) in genome order; top_n, threshold: what is kept of
    each target's local maxima; order: chromosomes. Columns: chrom, start, end, name (the targets,
    joined by a comma), score (the highest of their predictions), strand. Memory depends on top_n,
    not on the number of windows. Ties are broken by place.
    """
    kept: dict[tuple, dict[str, float]] = {}
    for target in targets:
        best: list[tuple] = []
        n = 0
        for windows, values in streamed_maxima(blocks_of(target), min_distance_bp):
            for c, s, e, d, v in zip(
                windows.chrom, windows.start, windows.end, windows.strand, values
            ):
                if threshold is not None and v < threshold:
                    continue
                n += 1
                item = (float(v), -n, (c, int(s), int(e), d))
                if top_n is None or len(best) < top_n:
                    heapq.heappush(best, item)
                elif item > best[0]:
                    heapq.heapreplace(best, item)
        for value, _, key in best:
            kept.setdefault(key, {})[target] = value
    rank = {name: i for i, name in enumerate(order)}
    keys = sorted(kept, key=lambda k: (rank[k[0]], k[1], "+-.".index(k[3])))
    return pd.DataFrame(
        [
            (c, s, e, ",".join(kept[c, s, e, d]), max(kept[c, s, e, d].values()), d)
            for c, s, e, d in keys
        ],
        columns=["chrom", "start", "end", "name", "score", "strand"],
    )
