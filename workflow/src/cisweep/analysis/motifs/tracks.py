"""Attributions of windows along pieces of the genome. Torch-free."""

from collections.abc import Callable, Mapping
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

    windows: of each target, in genome order; projected, hypothetical: (target, rows of its windows)
    -> (n, L) of the observed bases, and (n, 4, K) of all four in the central K bases (None where
    they are not stored).
    """

    windows: Mapping[str, Windows]
    projected: Callable[[str, slice], np.ndarray]
    hypothetical: Callable[[str, slice], np.ndarray] | None

    @property
    def targets(self) -> list[str]:
        """Names of the targets."""
        return list(self.windows)

    @cached_property
    def all_windows(self) -> Windows:
        """The windows of all targets, each once, in no order."""
        distinct: list[Windows] = []
        for windows in self.windows.values():
            if not any(_are_equal(windows, other) for other in distinct):
                distinct.append(windows)
        return Windows.concatenate(distinct)

    @cached_property
    def width(self) -> int:
        """Bases of a window."""
        of_targets = (w for w in self.windows.values() if len(w))
        some = next(of_targets, None)
        return 0 if some is None else int(some.end[0] - some.start[0])

    def along(self, axis: Axis) -> "Along":
        """Return the attributions with the places of their windows on an axis."""
        start: dict[str, np.ndarray] = {}
        for target, windows in self.windows.items():
            own = axis.begins(windows.chrom) + windows.start
            # Targets of the same windows share what is found for these.
            alike = (each for each in start.values() if np.array_equal(each, own))
            start[target] = next(alike, own)
        return Along(self, start)


def _are_equal(a: Windows, b: Windows) -> bool:
    return len(a) == len(b) and (a.start == b.start).all() and (a.chrom == b.chrom).all()


@dataclass(frozen=True)
class Along:
    """Attributions, and where each window of a target begins on the axis, (N,) int64."""

    of: Attributed
    start: Mapping[str, np.ndarray]

    @cached_property
    def covered(self) -> np.ndarray:
        """(K, 2) int64 sorted stretches of the axis that windows cover."""
        start = np.unique(np.concatenate(list(self.start.values())))
        return merge_intervals(start, start + self.of.width)


@dataclass(frozen=True)
class Laid:
    """Attributions laid along the tokens of joined pieces, NaN where no window gives one."""

    along: Along
    joined: Joined
    _runs: dict[tuple[int, int], list[tuple[int, int, int, int]]] = field(default_factory=dict)
    _projected: dict[str, np.ndarray] = field(default_factory=dict)

    def projected(self, target: str) -> np.ndarray:
        """Return (L,) float64."""
        if target not in self._projected:
            read = self.along.of.projected
            self._projected[target] = self._laid(target, lambda rows: read(target, rows))
        return self._projected[target]

    def hypothetical(self, target: str) -> np.ndarray | None:
        """Return (4, L) float64; None where they are not stored."""
        read = self.along.of.hypothetical
        return None if read is None else self._laid(target, lambda rows: read(target, rows))

    def _laid(self, target: str, read: Callable[[slice], np.ndarray]) -> np.ndarray:
        shape, start = read(slice(0, 0)).shape[1:], self.along.start[target]
        key = id(start), shape[-1]
        if key not in self._runs:
            self._runs[key] = self._find(start, shape[-1])
        out = np.full((*shape[:-1], len(self.joined.tokens)), np.nan)
        first, values = 0, None
        for row, begin, end, column in self._runs[key]:
            if values is None or row >= first + len(values):
                first, values = row, read(slice(row, row + ROWS_AT_ONCE))
            out[..., begin:end] = values[row - first, ..., column : column + end - begin]
        return out

    def _find(self, start: np.ndarray, kept: int) -> list[tuple[int, int, int, int]]:
        """Return the runs of tokens that have values of one window, windows ascending: the window,
        the run's begin and end among the tokens, and the window's base where it begins."""
        centre = start + self.along.of.width // 2
        row, column = nearest_windows(self.joined.places, centre, kept)
        row[self.joined.at + self.joined.n_bp] = -1  # the N between two pieces
        change = (np.diff(row, prepend=-1) != 0) | (np.diff(column, prepend=0) != 1)
        begin = np.flatnonzero(change)
        end = np.append(begin[1:], len(row))[row[begin] >= 0]
        begin = begin[row[begin] >= 0]
        order = np.argsort(row[begin], kind="stable")
        runs = (row[begin], begin, end, column[begin])
        return list(zip(*(part[order].tolist() for part in runs)))


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
