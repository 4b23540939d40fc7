"""bigWig tracks from overlapping windows: where they overlap, the nearest centre wins.

Blocks of windows are streamed in genome order, so memory does not depend on how many there are.
Ties go to the window that comes first. pyBigWig writes 0-based half-open coordinates.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyBigWig

from cisweep.contracts import Windows


class OwnedSpans:
    """Turns windows in genome order into the span that each owns: [low, high), no overlap.

    A base belongs to the window whose centre is nearest of those that cover it (the earlier one on
    a tie). `width_bp` None: the whole window may be owned; else the `width_bp` bases around
    the centre (what a scalar prediction fills). No two windows have equal coordinates.
    """

    def __init__(self, lengths: dict[str, int], width_bp: int | None = None):
        self._lengths, self._width = lengths, width_bp

    def __call__(
        self, windows: Windows, after: tuple[str, int] | None, before: tuple[str, int] | None
    ):
        """Return (low, high) of each window; `before`/`after`: (chrom, centre) of the neighbours
        outside this block."""
        centre, n = windows.centre, len(windows)
        if self._width is None:
            low, high = windows.start.copy(), windows.end.copy()
        else:
            low = centre - self._width // 2
            high = low + self._width
        same = np.zeros(n + 1, dtype=bool)
        middle = np.zeros(n + 1, dtype=np.int64)
        same[1:n] = windows.chrom[1:] == windows.chrom[:-1]
        middle[1:n] = (centre[1:] + centre[:-1]) // 2
        if before is not None:
            same[0], middle[0] = before[0] == windows.chrom[0], (before[1] + centre[0]) // 2
        if after is not None:
            same[n], middle[n] = after[0] == windows.chrom[-1], (after[1] + centre[-1]) // 2
        # Half way between two centres lies a base that spans of even width give to the later one.
        reach = high[:1] - centre[:1] + (0 if before is None else before[1])
        begin = np.minimum(middle[:-1] + 1, np.concatenate([reach, high[:-1]]))
        low = np.where(same[:-1], np.maximum(low, begin), low)
        high = np.where(same[1:], np.minimum(high, middle[1:] + 1), high)
        limit = np.array([self._lengths[c] for c in windows.chrom], dtype=np.int64)
        return np.maximum(low, 0), np.minimum(high, limit)


def write_bigwig(
    path: Path,
    lengths: dict[str, int],
    blocks: Iterable[tuple[Windows, np.ndarray]],
    width_bp: int | None = None,
) -> None:
    """Write one track.

    lengths: chromosome -> bp, in the order of the genome; blocks: (windows, values) in genome
    order, values (N,) scalars or (N, W) per base in + orientation; width_bp: for scalars, the
    span that a value fills around its window's centre.
    """
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(lengths.items()), maxZooms=7)
        spans = OwnedSpans(lengths, width_bp)
        held: tuple[Windows, np.ndarray] | None = None
        before: tuple[str, int] | None = None
        for windows, values in blocks:
            if not len(windows):
                continue
            windows, values = _first_of_twins(windows, values, held)
            if not len(windows):
                continue
            if held is not None:
                _add(
                    file, *held, spans(held[0], (windows.chrom[0], int(windows.centre[0])), before)
                )
                before = (held[0].chrom[-1], int(held[0].centre[-1]))
            held = (windows, values)
        if held is not None:
            _add(file, *held, spans(held[0], None, before))


def write_counts(
    path: Path, lengths: dict[str, int], blocks: Iterable[tuple[str, int, np.ndarray]]
) -> None:
    """Write one track of counts; bases without any have no entry.

    lengths: chromosome -> bp, in the order of the blocks. blocks: (chrom, start, counts (bp,)),
    ascending, no overlap.
    """
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(lengths.items()), maxZooms=7)
        for chrom, start, counts in blocks:
            edges = np.flatnonzero(np.diff(counts, prepend=0, append=0))
            # A run ends where the next begins, or before zeros.
            low, high = edges[:-1], edges[1:]
            kept = counts[low] > 0
            low, high = low[kept], high[kept]
            if len(low):
                file.addEntries(
                    [chrom] * len(low),
                    (low + start).tolist(),
                    ends=(high + start).tolist(),
                    values=counts[low].astype(float).tolist(),
                )


def _first_of_twins(windows: Windows, values: np.ndarray, held):
    """Return the rows without those at the coordinates of the row before (other strand)."""
    keep = np.ones(len(windows), dtype=bool)
    keep[1:] = (windows.start[1:] != windows.start[:-1]) | (windows.chrom[1:] != windows.chrom[:-1])
    if held is not None:
        last = held[0]
        keep[0] = windows.start[0] != last.start[-1] or windows.chrom[0] != last.chrom[-1]
    return windows.take(keep), values[keep]


def _add(file, windows: Windows, values: np.ndarray, spans) -> None:
    low, high = spans
    keep = np.flatnonzero((high > low) & np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if values.ndim == 1:
        for name in dict.fromkeys(windows.chrom[keep]):
            rows = keep[windows.chrom[keep] == name]
            file.addEntries(
                [name] * len(rows),
                low[rows].tolist(),
                ends=high[rows].tolist(),
                values=values[rows].astype(float).tolist(),
            )
        return
    for i in keep:
        offset = int(low[i] - windows.start[i])
        part = values[i, offset : offset + int(high[i] - low[i])]
        file.addEntries(
            str(windows.chrom[i]), int(low[i]), values=part.astype(float), span=1, step=1
        )
