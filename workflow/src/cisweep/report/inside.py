"""Which windows hold a span, for tables of windows."""

from collections.abc import Iterator

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

    def of(self, chrom: str, start: int, end: int) -> Iterator[int]:
        """Yield the rows of the windows that hold [start, end), by their start."""
        if chrom not in self._chroms:
            return
        rows, starts, widest = self._chroms[chrom]
        low = np.searchsorted(starts, end - widest)
        for i in rows[low : np.searchsorted(starts, start, side="right")]:
            if self._end[i] >= end:
                yield int(i)
