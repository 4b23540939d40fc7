"""Which chunk a region belongs to, from the .fai and the config alone (no torch, no checkpoint).

The genome is laid out in .fai order and cut into bins of `chunk_bp`; a chunk holds the regions
whose centre lies in its bin. So an inserted row touches one chunk, and tiles, BED files and
what data select share one layout.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

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

    @property
    def n_bins(self) -> int:
        """Number of bins, the last one possibly short."""
        return -(-sum(self.lengths.values()) // self.chunk_bp)

    def bins_of(self, windows: Windows) -> np.ndarray:
        """Return (N,) int64: the bin of each window's centre."""
        offsets = self.offsets
        begin = np.array([offsets[c] for c in windows.chrom], dtype=np.int64)
        # A padded window's centre is inside its chromosome: to_windows has seen to that.
        return (begin + windows.centre) // self.chunk_bp

    def bin_of(self, chrom: str, position: int) -> int:
        """Return the bin of one base."""
        return (self.offsets[chrom] + position) // self.chunk_bp

    def stretches(self, index: int) -> list[tuple[str, int, int]]:
        """Return the parts (chrom, low, high) of chromosomes that lie in bin `index`."""
        low, high = index * self.chunk_bp, (index + 1) * self.chunk_bp
        found = []
        for name, begin in self.offsets.items():
            a, b = max(low, begin), min(high, begin + self.lengths[name])
            if a < b:
                found.append((name, a - begin, b - begin))
        return found

    def split(self, windows: Windows) -> dict[str, Windows]:
        """Return chunk id -> its windows, non-empty bins only, in genome order."""
        bins = self.bins_of(windows)  # ascending, since windows are in genome order
        found, first = np.unique(bins, return_index=True)
        bounds = [*first, len(bins)]
        return {
            chunk_id(b): windows.take(slice(bounds[i], bounds[i + 1])) for i, b in enumerate(found)
        }


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
