"""Places that several windows cover count once: in the window in which they stand most central.

A place belongs to the window whose centre is nearest to its own (of two as near the left one; of
windows of both strands over the same bases the first of + - .). Windows of a run have one length,
so the nearest window always covers the place, and what a window owns is one stretch. Which window
owns a place depends on coordinates alone. Torch-free.

Over the border of two stretches both windows may call a span, each with ends of its own, so that
both or neither have their centre on their own side: `central_calls` keeps one of them.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from cisweep.contracts import Windows

_FAR = 2**61
_OFFSET, _BITS = 2**38, 40  # starts of a chromosome, also below 0, in one integer with its number


@dataclass(frozen=True)
class Owned:
    """What each window owns: spans with low < start + end <= high in the genome; (N,) int64."""

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, windows: Windows, among: Windows | None = None) -> Self:
        """Return what each of `windows` owns among all windows near them (default: they alone).

        `among` holds `windows`, in any order; what lies further away than a window's length
        changes nothing inside a window.
        """
        among = windows if among is None else among
        if not len(windows):
            return cls(np.empty(0, np.int64), np.empty(0, np.int64))
        codes, chroms = pd.factorize(among.chrom)
        order = np.lexsort((among.strand.astype(str), among.start, codes))
        key = (codes.astype(np.int64) << _BITS) + among.start + _OFFSET
        keys, first = np.unique(key[order], return_index=True)
        row = order[first]
        length = int(windows.end[0] - windows.start[0])
        border = among.start[row][:-1] + among.start[row][1:] + length
        beside = codes[row][:-1] == codes[row][1:]
        edges = np.concatenate([[-_FAR], np.where(beside, border, _FAR), [_FAR]])
        number = pd.Index(chroms).get_indexer(pd.Index(windows.chrom)).astype(np.int64)
        at = np.searchsorted(keys, (number << _BITS) + windows.start + _OFFSET)
        after_other = np.concatenate([[False], ~beside])
        low = np.where(after_other[at], -_FAR, edges[at])
        high = np.where(windows.strand == among.strand[row][at], edges[at + 1], low)
        return cls(low.astype(np.int64), high.astype(np.int64))

    def has(self, row: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return whether window `row` owns [start, end) in the genome; all (M,)."""
        return (self.low[row] < start + end) & (start + end <= self.high[row])

    def at_border(self, row: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return whether [start, end) is not window `row`'s but reaches into what it owns; (M,)."""
        low, high = self.low[row], self.high[row]
        touches = (low < high) & (low < 2 * end - 1) & (2 * start + 1 <= high)
        return touches & ~self.has(row, start, end)

    def n_positions(self, windows: Windows) -> int:
        """Return how many positions of the windows they own; of all, the size of their union."""
        first = np.maximum((self.low + 1) // 2, windows.start)
        stop = np.minimum((self.high + 1) // 2, windows.end)
        return int(np.maximum(stop - first, 0).sum())


def central_calls(calls: pd.DataFrame) -> np.ndarray:
    """Return a mask of calls (M,) that counts each place once; no two of different windows overlap.

    calls: of one target; chrom, start, end, sign, window_start, window_end, and owned, at_border
    (`Owned`). Owned calls stay; where such ones of two windows overlap, with one sign, the one
    stays that stands nearest to its window's centre, of equals that of the left window. Where two
    windows call a place over their border, each with a centre in what the other owns, one of them
    stays by the same rule, so that the place is not lost. Calls of one window never displace each
    other.
    """
    owned, border = (calls[c].to_numpy(bool) for c in ("owned", "at_border"))
    kept = owned.copy()
    rows = np.flatnonzero(owned | border)
    group, start, end = (values[rows] for values in _grouped(calls))
    window, stop = (calls[c].to_numpy(np.int64)[rows] for c in ("window_start", "window_end"))
    rank = np.lexsort((end, start, window, np.abs(start + end - window - stop)))
    place = np.empty_like(rank)
    place[rank] = np.arange(len(rank))

    def meet(i: int, others: list[int]) -> bool:
        return any(
            window[i] != window[j] and start[i] < end[j] and start[j] < end[i] for j in others
        )

    order = np.lexsort((end, start, group))
    for run in _clusters(group[order], start[order], end[order]):
        cluster = sorted(order[run].tolist(), key=place.__getitem__)
        if len(set(window[cluster].tolist())) == 1:
            continue
        stay: list[int] = []
        for i in (i for i in cluster if owned[rows[i]]):
            stay += [] if meet(i, stay) else [i]
        lost = [i for i in cluster if border[rows[i]] and not meet(i, stay)]
        for i in (i for i in lost if meet(i, lost)):
            stay += [] if meet(i, stay) else [i]
        kept[rows[cluster]] = False
        kept[rows[stay]] = True
    return kept


def count_windows(places: pd.DataFrame, calls: pd.DataFrame) -> np.ndarray:
    """Return in how many windows each place is called: int64 (M,), of distinct window spans.

    Both of one target, with the columns of `central_calls`; a call of the same sign that overlaps
    the place counts.
    """
    if not len(places):
        return np.zeros(0, np.int64)
    both = pd.concat([places, calls], ignore_index=True)
    group, start, end = _grouped(both)
    base = (group << _BITS) + _OFFSET
    n, longest = len(places), int((end - start).max())
    own, key = slice(0, n), (base + start)[n:]
    order = np.argsort(key, kind="stable")
    low = np.searchsorted(key[order], (base + start)[own] - longest, side="right")
    high = np.searchsorted(key[order], (base + end)[own], side="left")
    counts = np.maximum(high - low, 0)
    place = np.repeat(np.arange(n), counts)
    begin = np.repeat(low - np.cumsum(counts) + counts, counts)
    call = order[begin + np.arange(counts.sum())]
    over = end[n:][call] > start[place]
    pairs = np.stack([place[over], calls["window_start"].to_numpy(np.int64)[call[over]]], axis=1)
    return np.bincount(np.unique(pairs, axis=0)[:, 0], minlength=n).astype(np.int64)


def _grouped(calls: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the number of each row's chromosome and sign, and its start and end."""
    chrom, sign = (pd.factorize(calls[c])[0].astype(np.int64) for c in ("chrom", "sign"))
    spans = (calls[c].to_numpy(np.int64) for c in ("start", "end"))
    return chrom * (sign.max(initial=0) + 1) + sign, *spans


def _clusters(group: np.ndarray, start: np.ndarray, end: np.ndarray) -> list[slice]:
    """Return the runs of two or more sorted spans that hang together by overlaps."""
    if not len(start):
        return []
    lifted = (group << _BITS) + _OFFSET
    reach = np.maximum.accumulate(lifted + end)
    opens = np.flatnonzero((lifted + start)[1:] >= reach[:-1]) + 1
    edges = [0, *opens.tolist(), len(start)]
    return [slice(a, b) for a, b in zip(edges[:-1], edges[1:]) if b - a > 1]
