"""Peaks: windows whose prediction is the highest within a distance. Torch-free."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from cisweep.contracts import Windows

Blocks = Iterable[tuple[Windows, np.ndarray]]
"""Windows in genome order and their predictions (N, T), block by block."""


def local_maxima(windows: Windows, values: np.ndarray, distance_bp: int) -> np.ndarray:
    """Return bool of the shape of values, (N,) or (N, T): no window of the same chromosome whose
    centre is nearer than distance_bp has a higher value, and none before it an equal one. Windows
    are in genome order."""
    centre, n = windows.centre, len(windows)
    peak = np.isfinite(values)
    offset = 1
    while offset < n:
        near = (centre[offset:] - centre[:-offset] < distance_bp) & (
            windows.chrom[offset:] == windows.chrom[:-offset]
        )
        if not near.any():
            break
        near = near.reshape(-1, *[1] * (values.ndim - 1))
        left, right = values[:-offset], values[offset:]
        peak[offset:] &= ~(near & (left >= right))
        peak[:-offset] &= ~(near & (right > left))
        offset += 1
    return peak


def streamed_maxima(
    blocks: Blocks, distance_bp: int, columns: Sequence[int] | None = None
) -> Iterator[tuple[Windows, np.ndarray, np.ndarray]]:
    """Yield the local maxima of windows that come block by block, as one whole would give them.

    columns: the targets whose maxima are looked for, None for all. Yields the windows that are a
    maximum of any of them, all their predictions (n, T), and of which of `columns` they are one,
    bool (n, len(columns)). A row is decided once all rows within the distance on both sides are
    there, so that what is held depends on the distance and the size of blocks alone.
    """
    held: tuple[Windows, np.ndarray] | None = None
    decided = 0  # rows of `held` that were decided in an earlier round, kept as left context

    def found(first: int, last: int) -> tuple[Windows, np.ndarray, np.ndarray]:
        windows, values = held
        chosen = values if columns is None else values[:, list(columns)]
        peak = local_maxima(windows, chosen, distance_bp)[first:last]
        rows = first + np.flatnonzero(peak.any(axis=1))
        return windows.take(rows), values[rows], peak[rows - first]

    for windows, new in blocks:
        if not len(windows):
            continue
        if held is None:
            held = windows, new
        else:
            held = Windows.concatenate([held[0], windows]), np.concatenate([held[1], new])
        last_chrom, last = held[0].chrom[-1], held[0].centre[-1]
        on_last = held[0].chrom == last_chrom
        open_rows = on_last & (held[0].centre > last - distance_bp)
        n_sure = len(held[0]) - int(open_rows.sum())
        if n_sure > decided:
            yield found(decided, n_sure)
        context = on_last & (held[0].centre > last - 2 * distance_bp)
        first = len(held[0]) - int(context.sum())
        decided = max(n_sure - first, 0)
        held = held[0].take(slice(first, None)), held[1][first:]
    if held is not None and len(held[0]):
        yield found(decided, len(held[0]))
