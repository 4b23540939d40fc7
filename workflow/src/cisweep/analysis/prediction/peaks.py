"""Peaks: windows whose prediction is the highest within a distance. Torch-free."""

from collections.abc import Iterable

import numpy as np

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
