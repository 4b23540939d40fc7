"""Negatives from the genome: windows drawn uniformly, and windows of matched GC content."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cisweep.contracts import Windows
from cisweep.errors import TrainingError
from cisweep.genome.fasta import SequenceSource, window_tokens
from cisweep.genome.regions import merge_intervals, overlaps
from cisweep.train.judging.metrics import gc_content


@dataclass(frozen=True)
class NegativePool:
    """Where negatives may come from.

    source: the genome. stretches: chromosomes, or "chrom:start-end" (0-based half-open).
    window_bp: length of a negative. exclude: windows that no negative may touch (the peaks).
    """

    source: SequenceSource
    stretches: Sequence[str]
    window_bp: int
    exclude: Windows

    def spans(self) -> list[tuple[str, int, int]]:
        """Return (chrom, start, end) of each stretch, cut to the chromosome."""
        found = []
        for stretch in self.stretches:
            chrom, _, span = stretch.partition(":")
            if chrom not in self.source.lengths:
                known = ", ".join(list(self.source.lengths)[:8])
                raise TrainingError(
                    f"no chromosome {chrom!r} to draw negatives from",
                    where="negatives.stretches",
                    mend=f"the genome has {known}",
                )
            low, high = (int(x) for x in span.split("-")) if span else (0, 1 << 60)
            found.append((chrom, low, min(high, self.source.lengths[chrom])))
        return found


def uniform_windows(
    pool: NegativePool, n: int, *, random_state: int = 0
) -> tuple[Windows, np.ndarray]:
    """Return `n` windows drawn uniformly, and their tokens (n, window_bp), in genome order.

    No window is drawn twice, holds an N or touches an excluded window.

    Raises TrainingError if the stretches are too small.
    """
    generator = np.random.default_rng(random_state)
    spans = pool.spans()
    width = pool.window_bp
    room = np.array([max(high - low - width + 1, 0) for _, low, high in spans])
    before = np.cumsum(room) - room
    taken = np.zeros(0, dtype=np.int64)
    for _ in range(20):
        drawn = generator.integers(0, max(room.sum(), 1), int(1.2 * (n - len(taken))) + 64)
        drawn = np.setdiff1d(drawn, taken)
        windows = _windows(spans, before, drawn, width) if room.sum() else Windows.build([], [], [])
        free = ~_touching(windows, pool.exclude)
        tokens = window_tokens(
            pool.source, windows.chrom[free], windows.start[free], windows.end[free]
        )
        fit = drawn[free][(tokens < 4).all(axis=1)]
        # A random subset, since `drawn` is sorted by position.
        fit = generator.permutation(fit)[: n - len(taken)]
        taken = np.union1d(taken, fit)
        if len(taken) == n:
            windows = _windows(spans, before, taken, width)
            tokens = window_tokens(pool.source, windows.chrom, windows.start, windows.end)
            return windows, tokens
    raise TrainingError(
        f"only {len(taken)} of {n} negatives found",
        where="negatives.stretches",
        mend="name more or longer stretches, or ask for fewer negatives",
    )


def _windows(spans: list, before: np.ndarray, place: np.ndarray, width: int) -> Windows:
    """Return the windows at `place`, a position among all possible starts laid end to end."""
    which = np.searchsorted(before, place, side="right") - 1
    low = np.array([span[1] for span in spans])[which]
    start = low + place - before[which]
    return Windows.build([spans[i][0] for i in which], start, start + width)


def _touching(windows: Windows, exclude: Windows) -> np.ndarray:
    touched = np.zeros(len(windows), dtype=bool)
    for chrom in set(windows.chrom):
        ours, theirs = windows.chrom == chrom, exclude.chrom == chrom
        if theirs.any():
            merged = merge_intervals(exclude.start[theirs], exclude.end[theirs])
            touched[ours] = overlaps(merged, windows.start[ours], windows.end[ours])
    return touched


def gc_matched_windows(
    pool: NegativePool,
    positives: np.ndarray,
    per_positive: float = 1.0,
    *,
    bin_width: float = 0.02,
    pool_ratio: float = 20.0,
    random_state: int = 0,
) -> tuple[Windows, np.ndarray]:
    """Return negatives with the GC content of the positives, and their tokens.

    A uniform pool of pool_ratio × the wanted number is drawn, and from each bin of GC content as
    many windows as the positives ask for; a bin that runs dry borrows from the nearest bin that
    has windows left, so the number always comes out and the match is as close as the genome
    allows.

    Parameters
    ----------
    positives: (N, L) uint8 tokens. per_positive: negatives per positive. bin_width: of the share
    of C and G.
    """
    generator = np.random.default_rng(random_state)
    wanted = int(round(per_positive * len(positives)))
    windows, tokens = uniform_windows(
        pool, int(wanted * pool_ratio), random_state=int(generator.integers(1 << 31))
    )
    pool_bin = (gc_content(tokens) / bin_width).round().astype(int)
    positive_bin = (gc_content(positives) / bin_width).round().astype(int)
    n_bins = int(round(1 / bin_width)) + 1
    share = np.bincount(positive_bin, minlength=n_bins) * per_positive
    # Rounding the running sum keeps the total exact.
    need = np.diff(np.round(np.cumsum(share)).astype(int), prepend=0)
    stock = [generator.permutation(np.flatnonzero(pool_bin == b)).tolist() for b in range(n_bins)]
    chosen: list[int] = []
    for b in np.argsort([len(s) for s in stock], kind="stable"):
        nearest = np.argsort(np.abs(np.arange(n_bins) - b), kind="stable")
        missing = int(need[b])
        for other in nearest:
            if missing == 0:
                break
            chosen += stock[other][:missing]
            taken = len(stock[other][:missing])
            del stock[other][:taken]
            missing -= taken
    rows = np.sort(np.array(chosen, dtype=np.int64))
    return windows.take(rows), tokens[rows]
