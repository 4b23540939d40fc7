"""Which windows hold a span, for tables of windows."""

import numpy as np

from cisweep.contracts import Windows


class Inside:
    """Finds the windows that hold a span whole."""

    def __init__(self, windows: Windows):
        self._chroms: dict[str, tuple[np.ndarray, np.ndarray, int]] = {}
        starts = np.asarray(windows.start)
        self._end = np.asarray(windows.end)
        for chrom in dict.fromkeys(windows.chrom):
            rows = np.flatnonzero(windows.chrom == chrom)
            rows = rows[np.argsort(starts[rows], kind="stable")]
            widest = int((self._end[rows] - starts[rows]).max())
            self._chroms[chrom] = rows, starts[rows], widest

    def pairs(
        self, chrom: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (span, window), rows of each pair of a span [start, end) and a window around it,
        chromosome by chromosome, span by span, the windows by their start."""
        found = [(np.empty(0, np.int64), np.empty(0, np.int64))]
        for name, (rows, starts, widest) in self._chroms.items():
            spans = np.flatnonzero(chrom == name)
            low = np.searchsorted(starts, end[spans] - widest)
            n = np.searchsorted(starts, start[spans], side="right") - low
            n = np.maximum(n, 0)
            first = np.repeat(np.cumsum(n) - n, n)
            span = np.repeat(spans, n)
            window = rows[np.repeat(low, n) + np.arange(len(first)) - first]
            kept = self._end[window] >= end[span]
            found.append((span[kept], window[kept]))
        span, window = zip(*found)
        return np.concatenate(span), np.concatenate(window)
