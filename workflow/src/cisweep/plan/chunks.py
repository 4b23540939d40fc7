"""Which chunk a region belongs to, from the .fai and the config alone (no torch, no checkpoint).

The genome is laid out in .fai order and cut into bins of `chunk_bp`; a chunk holds the regions
whose centre lies in its bin. So an inserted row touches one chunk, and tiles, BED files and
what data select share one layout.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from cisweep.contracts import Windows, digest


def chunk_id(index: int) -> str:
    """Return the name of bin `index`: c000123."""
    return f"c{index:06d}"


def chunk_index(name: str) -> int:
    """Return the bin of a chunk's name."""
    return int(name[1:])


@dataclass(frozen=True)
class Layout:
    """Chromosomes end to end in .fai order, cut into bins of chunk_bp."""

    lengths: dict[str, int]
    chunk_bp: int

    @cached_property
    def offsets(self) -> dict[str, int]:
        """Position of each chromosome's first base in the layout."""
        ends = np.cumsum([0, *self.lengths.values()])
        return {name: int(begin) for name, begin in zip(self.lengths, ends)}

    @cached_property
    def _names(self) -> list[str]:
        return list(self.lengths)

    @cached_property
    def _ends(self) -> np.ndarray:
        """Positions behind the last bases of the chromosomes."""
        return np.cumsum(list(self.lengths.values()), dtype=np.int64)

    @property
    def n_bins(self) -> int:
        """Number of bins, the last one possibly short."""
        return -(-sum(self.lengths.values()) // self.chunk_bp)

    def bins_of(self, windows: Windows) -> np.ndarray:
        """Return (N,) int64: the bin of each window's centre."""
        return self.bins_at(windows.chrom, windows.centre)

    def bins_at(self, chrom: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """Return (N,) int64: the bin of each position `centre` (N,) of a chromosome (N,)."""
        code, names = pd.factorize(chrom)
        begin = np.array([self.offsets[c] for c in names], dtype=np.int64)
        # A padded window's centre is inside its chromosome: `place` has seen to that.
        return (begin[code] + centre) // self.chunk_bp

    def bin_of(self, chrom: str, position: int) -> int:
        """Return the bin of one base."""
        return (self.offsets[chrom] + position) // self.chunk_bp

    def stretches(self, index: int) -> list[tuple[str, int, int]]:
        """Return the parts (chrom, low, high) of chromosomes that lie in bin `index`."""
        low, high = index * self.chunk_bp, (index + 1) * self.chunk_bp
        found = []
        for at in range(int(np.searchsorted(self._ends, low, side="right")), len(self._names)):
            name, end = self._names[at], int(self._ends[at])
            begin = end - self.lengths[name]
            if begin >= high:
                break
            if begin < end:
                found.append((name, max(low, begin) - begin, min(high, end) - begin))
        return found

    def split(self, windows: Windows) -> dict[str, Windows]:
        """Return chunk id -> its windows, non-empty bins only, in genome order."""
        return {chunk: windows.take(rows) for chunk, rows in runs(self.bins_of(windows)).items()}


def runs(bins: np.ndarray) -> dict[str, slice]:
    """Return chunk id -> the rows of it, for the ascending bins of rows in genome order."""
    first = np.flatnonzero(np.diff(bins, prepend=-1))
    bounds = [*first.tolist(), len(bins)]
    return {
        chunk_id(b): slice(bounds[i], bounds[i + 1]) for i, b in enumerate(bins[first].tolist())
    }


def equal_runs(names: np.ndarray) -> dict[str, slice]:
    """Return name -> the rows that have it, of names (N,) whose equal ones stand side by side."""
    edges = [0, *(1 + np.flatnonzero(names[1:] != names[:-1])).tolist(), len(names)]
    return {names[i]: slice(i, end) for i, end in zip(edges, edges[1:]) if end}


def doubled(chunk_bp: int, bases: int, most: int) -> int:
    """Return the bases of larger bins, chunk_bp times a power of two: the smallest of which at most
    `most` hold `bases`."""
    while bases > most * chunk_bp:
        chunk_bp *= 2
    return chunk_bp


def split_items(sizes_bp: Sequence[int], chunk_bp: int) -> dict[str, range]:
    """Return chunk id -> the items that one job handles, laid end to end; non-empty chunks only.

    sizes_bp: (n,) bases that the model reads for each item; an item belongs to the bin of its
    first base.
    """
    begins = np.cumsum([0, *sizes_bp])[:-1]
    bins, first = np.unique(begins // chunk_bp, return_index=True)
    bounds = [*first.tolist(), len(sizes_bp)]
    return {chunk_id(b): range(bounds[i], bounds[i + 1]) for i, b in enumerate(bins.tolist())}


def windows_digest(windows: Windows) -> str:
    """Return a hash of the windows and their names: the `params` by which one chunk reruns."""
    return digest(windows.keys(), list(windows.name))


def stream_digest(blocks: Callable[[], Iterable[Windows]]) -> str:
    """Return the `windows_digest` of all windows that `blocks` gives, in whichever blocks they
    come; it is called twice."""
    sha = hashlib.blake2b(digest_size=8)
    for begin, column in (("[", Windows.keys), ("]\x1f[", lambda windows: windows.name.tolist())):
        sha.update(begin.encode())
        between = ""
        for windows in blocks():
            if len(windows):
                sha.update((between + repr(column(windows))[1:-1]).encode())
                between = ", "
    sha.update(b"]")
    return sha.hexdigest()
