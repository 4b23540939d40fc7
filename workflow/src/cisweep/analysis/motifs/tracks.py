"""Attributions of windows along pieces of the genome. Torch-free."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from cisweep.analysis.motifs.pieces import Axis, Joined
from cisweep.contracts import Windows
from cisweep.genome.regions import merge_intervals

ROWS_AT_ONCE = 1024
"""Windows whose attributions are held at once."""


@dataclass(frozen=True)
class Attributed:
    """Attributions of windows near a chunk, in + orientation, read where they are needed.

    windows: in genome order; projected, hypothetical: (target, rows) -> (n, L) of the observed
    bases, and (n, 4, K) of all four in the central K bases (None where they are not stored).
    """

    windows: Windows
    targets: Sequence[str]
    projected: Callable[[str, slice], np.ndarray]
    hypothetical: Callable[[str, slice], np.ndarray] | None

    @cached_property
    def width(self) -> int:
        """Bases of a window."""
        return int(self.windows.end[0] - self.windows.start[0]) if len(self.windows) else 0

    def along(self, axis: Axis) -> "Along":
        """Return the attributions with the places of their windows on an axis."""
        return Along(self, axis.begins(self.windows.chrom) + self.windows.start)


@dataclass(frozen=True)
class Along:
    """Attributions, and where each window begins on the axis, (N,) int64."""

    of: Attributed
    start: np.ndarray

    @cached_property
    def covered(self) -> np.ndarray:
        """(K, 2) int64 sorted stretches of the axis that windows cover."""
        return merge_intervals(self.start, self.start + self.of.width)


@dataclass(frozen=True)
class Laid:
    """Attributions laid along the tokens of joined pieces, NaN where no window gives one."""

    along: Along
    joined: Joined
    _nearest: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=dict)

    def projected(self, target: str) -> np.ndarray:
        """Return (L,) float64."""
        return self._laid(lambda rows: self.along.of.projected(target, rows))

    def hypothetical(self, target: str) -> np.ndarray | None:
        """Return (4, L) float64; None where they are not stored."""
        read = self.along.of.hypothetical
        return None if read is None else self._laid(lambda rows: read(target, rows))

    def _laid(self, read: Callable[[slice], np.ndarray]) -> np.ndarray:
        shape = read(slice(0, 0)).shape[1:]
        if shape[-1] not in self._nearest:
            self._nearest[shape[-1]] = self._find(shape[-1])
        at, row, column = self._nearest[shape[-1]]
        out = np.full((*shape[:-1], len(self.joined.tokens)), np.nan)
        low, high = int(row.min(initial=0)), int(row.max(initial=-1)) + 1
        for first in range(low, high, ROWS_AT_ONCE):
            a, b = np.searchsorted(row, [first, first + ROWS_AT_ONCE])
            if a < b:
                values = read(slice(int(row[a]), int(row[b - 1]) + 1))
                found = values[row[a:b] - row[a], ..., column[a:b]]
                out[..., at[a:b]] = np.moveaxis(found, 0, -1)
        return out

    def _find(self, kept: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the tokens that have a value, its window (ascending) and its base there."""
        centre = self.along.start + self.along.of.width // 2
        row, column = nearest_windows(self.joined.places, centre, kept)
        row[self.joined.at + self.joined.n_bp] = -1  # the N between two pieces
        at = np.flatnonzero(row >= 0)
        at = at[np.argsort(row[at], kind="stable")]
        return at, row[at], column[at]


def nearest_windows(
    places: np.ndarray, centre: np.ndarray, kept: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the window that stands for each place, -1 for none, and which of its bases that is.

    places: (L,) int64; centre: (N,) int64 of windows in ascending order; kept: central bases of a
    window that count. Of windows that cover a place the nearest centre wins, the earlier window on
    a tie, as in the bigWig tracks. Returns two (L,) int64.
    """
    if not len(centre) or not kept:
        return np.full(len(places), -1), np.zeros(len(places), np.int64)
    left_bp, right_bp = kept // 2, kept - kept // 2  # bases before the centre, and from it on
    right = np.searchsorted(centre, places, side="right")  # the first centre behind the place
    left = np.searchsorted(centre, centre[np.maximum(right - 1, 0)], side="left")
    near, far = places - centre[left], centre[np.minimum(right, len(centre) - 1)] - places
    has_left = (right > 0) & (near < right_bp)
    has_right = (right < len(centre)) & (far <= left_bp)
    takes_left = has_left & (~has_right | (near <= far))
    row = np.where(takes_left, left, np.where(has_right, right, -1))
    return row, np.where(row >= 0, places - centre[row] + left_bp, 0)
