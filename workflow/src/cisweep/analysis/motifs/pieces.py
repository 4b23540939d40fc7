"""Intervals cut into pieces and laid end to end, so that one scan reads many. Torch-free."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from cisweep.analysis.motifs.fimo import SEPARATOR, tests_of_runs
from cisweep.analysis.motifs.score_distribution import ScoreModel
from cisweep.contracts import Windows
from cisweep.genome.fasta import SequenceSource
from cisweep.genome.regions import merge_intervals

PIECE_BP = 1 << 20
"""Bases that are scanned at once. What a scan holds grows with it, and with nothing else."""
_SPAN = 1 << 40
"""Distance of two chromosomes on the axis: far more than a window reaches over an end."""


class Piece(NamedTuple):
    """Bases [low, stop) of a chromosome; hits that start in [low, high) are its own."""

    chrom: str
    low: int
    high: int
    stop: int


@dataclass(frozen=True)
class Axis:
    """All chromosomes on one line, in the order given and too far apart to touch."""

    names: tuple[str, ...]

    @cached_property
    def _number(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def begins(self, chroms: Sequence[str] | np.ndarray) -> np.ndarray:
        """Return (N,) int64: where position 0 of each chromosome lies."""
        number = self._number
        return np.array([number[c] for c in chroms], dtype=np.int64) * _SPAN


def batches(
    intervals: Sequence[tuple[str, int, int, int]], overlap_bp: int, piece_bp: int = PIECE_BP
) -> Iterator[list[Piece]]:
    """Yield the intervals (chrom, low, high, end) as pieces, about `piece_bp` of them at a time.

    A piece reads up to `overlap_bp` bases beyond its own starts, as far as its interval goes.
    """
    held: list[Piece] = []
    size = 0
    for chrom, low, high, end in intervals:
        for a in range(low, high, piece_bp):
            b = min(a + piece_bp, high)
            held.append(Piece(chrom, a, b, min(end, b + overlap_bp)))
            size += b - a
            if size >= piece_bp:
                yield held
                held, size = [], 0
    if held:
        yield held


@dataclass(frozen=True)
class Joined:
    """Pieces laid end to end, each with one N behind it, over which no match reaches."""

    pieces: Sequence[Piece]
    axis: Axis
    tokens: np.ndarray

    @classmethod
    def read(cls, pieces: Sequence[Piece], axis: Axis, source: SequenceSource) -> Self:
        """Return the pieces with their bases."""
        parts = [x for p in pieces for x in (source.tokens(p.chrom, p.low, p.stop), SEPARATOR)]
        return cls(pieces, axis, np.concatenate(parts) if parts else np.empty(0, np.uint8))

    @cached_property
    def _columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        columns = np.array([p[1:] for p in self.pieces], dtype=np.int64).reshape(-1, 3)
        return columns[:, 0], columns[:, 1], columns[:, 2]

    @cached_property
    def at(self) -> np.ndarray:
        """(P,) int64, where each piece begins among the tokens."""
        low, _, stop = self._columns
        return np.concatenate([[0], np.cumsum(stop - low + 1)])[:-1]

    @cached_property
    def low(self) -> np.ndarray:
        """(P,) int64, the first base of each piece."""
        return self._columns[0]

    @cached_property
    def begins(self) -> np.ndarray:
        """(P,) int64, the first base of each piece on the axis."""
        return self.axis.begins([p.chrom for p in self.pieces]) + self.low

    @cached_property
    def n_bp(self) -> np.ndarray:
        """(P,) int64, how many bases each piece reads."""
        return self._columns[2] - self.low

    @cached_property
    def own_ends(self) -> np.ndarray:
        """(P,) int64, where the starts that are the piece's own end, among the tokens."""
        return self.at + self._columns[1] - self.low

    @property
    def is_own(self) -> np.ndarray:
        """(L,) bool: is a token among its piece's own starts."""
        own = np.zeros(len(self.tokens), bool)
        for begin, end in zip(self.at.tolist(), self.own_ends.tolist()):
            own[begin:end] = True
        return own

    @property
    def places(self) -> np.ndarray:
        """(L,) int64, the place of each token on the axis; that of an N between is the next one."""
        piece = np.repeat(np.arange(len(self.pieces)), self.n_bp + 1)
        return np.arange(len(self.tokens)) + (self.begins - self.at)[piece]

    def piece_of(self, starts: np.ndarray) -> np.ndarray:
        """Return (N,) int64: the piece of each position among the tokens."""
        return np.searchsorted(self.at, starts, side="right") - 1

    def own(self, hits: np.ndarray) -> np.ndarray:
        """Return the hits of a scan of the tokens that start among the pieces' own starts."""
        return hits[hits["start"] < self.own_ends[self.piece_of(hits["start"])]]

    def count_tests(self, model: ScoreModel) -> np.ndarray:
        """Return (M,) int64, how many (position, strand) of the own starts are tested."""
        known = np.concatenate([[0], (self.tokens < 4).view(np.int8), [0]])
        edges = np.flatnonzero(np.diff(known))
        begin, end = edges[::2], edges[1::2]
        return tests_of_runs(model, begin, end, self.own_ends[self.piece_of(begin)])

    def within(self, intervals: np.ndarray) -> list[Piece]:
        """Return the parts of the pieces that lie in sorted, disjoint intervals (K, 2) of the
        axis."""
        found = []
        ends = self.begins + self.n_bp
        first = np.searchsorted(intervals[:, 1], self.begins, side="right")
        last = np.searchsorted(intervals[:, 0], ends, side="left")
        for i, piece in enumerate(self.pieces):
            shift = piece.low - int(self.begins[i])
            for a, b in intervals[first[i] : last[i]].tolist():
                low, stop = max(a + shift, piece.low), min(b + shift, piece.stop)
                if low < piece.high:
                    found.append(Piece(piece.chrom, low, min(stop, piece.high), stop))
        return found

    def find(self, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which spans of the axis lie within one piece, and where they begin among the
        tokens (of those that do)."""
        if not len(self.pieces):
            return np.zeros(len(start), bool), np.empty(0, np.int64)
        order = np.argsort(self.begins, kind="stable")
        piece = order[np.maximum(np.searchsorted(self.begins[order], start, side="right") - 1, 0)]
        local = start - self.begins[piece]
        inside = (local >= 0) & (end - self.begins[piece] <= self.n_bp[piece])
        return inside, (self.at[piece] + local)[inside]


def owned_intervals(
    windows: Windows, stretches: list[tuple[str, int, int]], lengths: dict[str, int]
) -> list[tuple[str, int, int, int]]:
    """Return (chrom, low, high, end): starts in [low, high) are this chunk's, `end` is where their
    merged interval ends. Padded windows are cut to the chromosome."""
    axis = Axis(tuple(lengths))
    begins = axis.begins(windows.chrom)
    size = np.array([lengths[c] for c in windows.chrom], dtype=np.int64)
    start, end = np.maximum(windows.start, 0), np.minimum(windows.end, size)
    merged = merge_intervals(begins + start, begins + end)
    found = []
    for chrom, low, high in stretches:
        zero = int(axis.begins([chrom])[0])
        first = np.searchsorted(merged[:, 1], zero + low, side="right")
        last = np.searchsorted(merged[:, 0], zero + high, side="left")
        for a, b in (merged[first:last] - zero).tolist():
            found.append((chrom, max(a, low), min(b, high), b))
    return found
