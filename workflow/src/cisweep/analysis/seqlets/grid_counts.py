"""Counts of numbers on a fixed grid of floats: exact, mergeable, bounded.

The grid is that of floats with fewer mantissa bits, so it needs no range known beforehand and
is as fine near zero as far from it. Putting a number on the grid cuts its mantissa towards
zero; that is the only loss. Counts are integers, so any order and grouping of merges gives the
same bytes. With 12 bits float32 has at most 2**21 grid points (about 300,000 in practice).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cisweep.errors import CisweepError, ProductError

_MANTISSA = {np.dtype(np.float32): 23, np.dtype(np.float64): 52}
_UNSIGNED = {np.dtype(np.float32): np.uint32, np.dtype(np.float64): np.uint64}
_BLOCK = 4_000_000


def on_grid(values: np.ndarray, mantissa_bits: int) -> np.ndarray:
    """Return float32 or float64 `values` with all but `mantissa_bits` of the mantissa zero."""
    unsigned = _UNSIGNED[values.dtype]
    dropped = _MANTISSA[values.dtype] - mantissa_bits
    if not 0 <= dropped <= _MANTISSA[values.dtype]:
        raise CisweepError(
            f"mantissa_bits {mantissa_bits} is not within 0 to {_MANTISSA[values.dtype]}"
        )
    mask = ~unsigned((1 << dropped) - 1)
    bits = np.ascontiguousarray(values).view(unsigned) & mask
    return bits.view(values.dtype) + values.dtype.type(0)  # -0.0 becomes 0.0


@dataclass(frozen=True)
class GridCounts:
    """How often each grid point occurs: `values` ascending, `counts` int64, none zero."""

    values: np.ndarray
    counts: np.ndarray
    mantissa_bits: int

    @property
    def n(self) -> int:
        """Return how many numbers were counted."""
        return int(self.counts.sum())

    @classmethod
    def of(cls, values: np.ndarray, mantissa_bits: int) -> "GridCounts":
        """Return the counts of finite `values` (any shape) on the grid."""
        points, counts = np.unique(on_grid(values, mantissa_bits), return_counts=True)
        return cls(points, counts.astype(np.int64), mantissa_bits)

    def order_statistic(self, rank: int) -> np.generic:
        """Return the value with `rank` (from 0) smaller or equal ones before it."""
        return self.values[np.searchsorted(np.cumsum(self.counts), rank, side="right")]

    def up_to(self, values: np.ndarray) -> np.ndarray:
        """Return how many counted numbers are at or below each of `values`, int64."""
        below = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts)])
        return below[np.searchsorted(self.values, values, side="right")]


def merge_counts(parts: Iterable[GridCounts]) -> GridCounts:
    """Return the counts of all parts together; memory holds one block of parts at a time.

    Raises ProductError when there is none, or when they lie on different grids.
    """
    waiting: list[GridCounts] = []
    size = 0
    for part in parts:
        if waiting and (part.mantissa_bits, part.values.dtype) != (
            waiting[0].mantissa_bits,
            waiting[0].values.dtype,
        ):
            raise ProductError(
                f"counts of {part.values.dtype} with {part.mantissa_bits} mantissa bits and of "
                f"{waiting[0].values.dtype} with {waiting[0].mantissa_bits} cannot be merged",
                mend="make all summaries of a run with the same options",
            )
        waiting.append(part)
        size += len(part.values)
        if size > _BLOCK + 2 * len(waiting[0].values):
            waiting = [_merged(waiting)]
            size = len(waiting[0].values)
    if not waiting:
        raise ProductError("there are no counts to merge", mend="pass at least one summary")
    return _merged(waiting)


def _merged(parts: list[GridCounts]) -> GridCounts:
    values = np.concatenate([part.values for part in parts])
    order = np.argsort(values, kind="stable")
    points, first = np.unique(values[order], return_index=True)
    counts = np.concatenate([part.counts for part in parts])[order]
    if len(points):
        counts = np.add.reduceat(counts, first)
    return GridCounts(points, counts, parts[0].mantissa_bits)
