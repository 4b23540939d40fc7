"""The null of predicted peaks: peaks that the model predicts on shuffled sequence. Torch-free.

A peak is a maximum over overlapping windows, so it is compared with peaks and not with windows:
stretches of the genome are shuffled, and peaks are called on them as on the genome. Every piece of
a window's length is shuffled by itself, its dinucleotides kept, so that a shuffled stretch has the
composition of its place (GC content, CpG islands, simple repeats).

p of a peak is (1 + null peaks at least as high) / (1 + null peaks), which is valid where null peaks
and false peaks are exchangeable. q is that of Benjamini and Hochberg over all peaks of a target,
chosen or not; it controls the false discovery rate for such p-values, which share one null (Bates
et al. 2023, Testing for outliers with conformal p-values).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from cisweep.analysis.motifs.qvalues import bh_qvalues
from cisweep.analysis.prediction.peaks import local_maxima
from cisweep.contracts import Windows, seed_of
from cisweep.sequence.tokens import shuffle_tokens

BATCH = 4096
"""Windows that are predicted at once, and so about how many are held."""

Place = tuple[Windows, np.ndarray, int]
"""A stretch: its windows, its tokens (L,), and the position of the first token."""


def shuffled_pieces(
    tokens: np.ndarray, chrom: str, start: int, piece_bp: int, seed: int, draw: int
) -> np.ndarray:
    """Return the tokens (L,) of a place, each piece of piece_bp bases dinucleotide-shuffled.

    The first and the last base of a piece stay, and so does N; the last piece may be shorter. Seeds
    depend on (seed, place of the piece, draw) alone.
    """
    found = np.empty_like(tokens)
    cut = len(tokens) // piece_bp * piece_bp
    for rows, width, offset in (
        (tokens[:cut].reshape(-1, piece_bp), piece_bp, 0),
        (tokens[cut:].reshape(-1, len(tokens) - cut or 1), len(tokens) - cut, cut),
    ):
        if not len(rows):
            continue
        places = [start + offset + i * width for i in range(len(rows))]
        seeds = [seed_of(seed, "select", f"{chrom}:{p}-{p + width}", draw) for p in places]
        made = shuffle_tokens(np.ascontiguousarray(rows), np.array(seeds, np.uint64)[:, None])
        found[offset : offset + rows.size] = made.reshape(-1)
    return found


@dataclass(frozen=True)
class PeakNull:
    """Peaks of shuffled sequence of one target.

    scores: (n,) float64 ascending, their predictions; n_windows: shuffled windows predicted.
    """

    scores: np.ndarray
    n_windows: int

    @classmethod
    def merge(cls, parts: Iterable[Self]) -> Self:
        """Return the null of all parts, whatever their order."""
        parts = list(parts)
        scores = np.sort(np.concatenate([np.zeros(0), *(p.scores for p in parts)]))
        return cls(scores, sum(p.n_windows for p in parts))

    def n_above(self, scores: np.ndarray) -> np.ndarray:
        """Return (N,) int64: null peaks at least as high as each score."""
        return len(self.scores) - np.searchsorted(self.scores, scores, side="left")

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        """Return (N,) float64: the empirical p-value of each score."""
        return (1 + self.n_above(scores)) / (1 + len(self.scores))


def null_peaks(
    places: Iterable[Place],
    n_targets: int,
    predict: Callable[[Windows, np.ndarray], np.ndarray],
    *,
    draws: int,
    seed: int,
    distance_bp: int,
) -> list[PeakNull]:
    """Return the null of each target, from `draws` shuffles of every place.

    predict: (windows, tokens (N, W) uint8) -> (N, n_targets); distance_bp: as for the peaks
    themselves.
    """
    found: list[list[np.ndarray]] = [[np.zeros(0)] for _ in range(n_targets)]
    n = 0
    for windows, tokens, group in _batches(_shuffled(places, draws, seed)):
        values = predict(windows, tokens)
        # Draws of a place lie apart, as if each were a chromosome.
        apart = Windows(group, windows.start, windows.end, windows.strand, windows.name)
        for target, mine in enumerate(found):
            score = values[:, target].astype(np.float64)
            mine.append(score[local_maxima(apart, score, distance_bp)])
        n += len(windows)
    return [PeakNull(np.sort(np.concatenate(mine)), n) for mine in found]


def _shuffled(
    places: Iterable[Place], draws: int, seed: int
) -> Iterator[tuple[Windows, np.ndarray]]:
    """Yield (windows, tokens (N, W)) of each draw of each place."""
    for windows, tokens, start in places:
        if not len(windows):
            continue
        width = int(windows.end[0] - windows.start[0])
        for draw in range(draws):
            made = shuffled_pieces(tokens, windows.chrom[0], start, width, seed, draw)
            rows = np.lib.stride_tricks.sliding_window_view(made, width)
            yield windows, rows[windows.start - start]


def _batches(
    parts: Iterable[tuple[Windows, np.ndarray]],
) -> Iterator[tuple[Windows, np.ndarray, np.ndarray]]:
    """Yield (windows, tokens, part (N,)) of whole parts, about BATCH windows at a time."""
    held: list[tuple[Windows, np.ndarray]] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part[0])
        if size >= BATCH:
            yield _joined(held)
            held, size = [], 0
    if held:
        yield _joined(held)


def _joined(held: list[tuple[Windows, np.ndarray]]) -> tuple[Windows, np.ndarray, np.ndarray]:
    group = np.repeat(np.arange(len(held)), [len(w) for w, _ in held])
    tokens = np.concatenate([t for _, t in held])
    return Windows.concatenate([w for w, _ in held]), tokens, group


class PeakRates:
    """The p- and q-values of one target's peaks, by how many null peaks are as high.

    scores: the predictions of all peaks, block by block; they are counted and not held. `add` takes
    more of them, as long as no rate was asked for.
    """

    def __init__(self, null: PeakNull, scores: Iterable[np.ndarray] = ()):
        self.null = null
        self._counts = np.zeros(len(null.scores) + 1, np.int64)
        for part in scores:
            self.add(part)

    def add(self, scores: np.ndarray) -> None:
        """Count peaks with these predictions."""
        self._counts += np.bincount(self.null.n_above(scores), minlength=len(self._counts))

    @property
    def n_peaks(self) -> int:
        """How many peaks were counted."""
        return int(self._counts.sum())

    @cached_property
    def _q(self) -> np.ndarray:
        """(levels,) float64: the q-value of peaks with so many null peaks above them."""
        levels = len(self._counts)
        return bh_qvalues(np.arange(1, levels + 1) / levels, self.n_peaks, self._counts)

    def q_values(self, scores: np.ndarray) -> np.ndarray:
        """Return (N,) float64: the false discovery rate of the peaks at least as high."""
        return self._q[self.null.n_above(scores)]

    @property
    def smallest_q(self) -> float:
        """The q-value of the highest peak; NaN without peaks."""
        return float(self._q[self._counts > 0].min()) if self.n_peaks else float("nan")

    def n_at(self, fdr: float) -> int:
        """Return how many peaks have a q-value of at most fdr."""
        return int(self._counts[self._q <= fdr].sum())

    def n_needed(self, fdr: float) -> int:
        """Return how many peaks must stand above all null peaks for any to pass at fdr."""
        return max(1, int(np.ceil(self.n_peaks / (1 + len(self.null.scores)) / fdr)))
