"""The windows that one job handles: planned ones or selected peaks, N looked at."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.contracts import Windows
from cisweep.genome.bed_columns import plain_columns
from cisweep.genome.fasta import SequenceSource, window_tokens
from cisweep.genome.regions import DROPPED_COLUMNS, drop_n
from cisweep.plan.chunks import chunk_index, windows_digest
from cisweep.plan.plan import Plan

BASES_AT_ONCE = 1 << 23
"""Bases of windows that are looked at at once: a chunk of many windows has no more in memory."""


class WindowTokens:
    """The tokens of windows, read where they are asked for: `tokens[rows]` is (n, W) uint8,
    `tokens[:]` all of them."""

    def __init__(self, source: SequenceSource, windows: Windows, window_bp: int):
        self._source, self._windows = source, windows
        self.shape = (len(windows), window_bp)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return the tokens of some windows in + orientation."""
        part = self._windows.take(rows)
        found = window_tokens(self._source, part.chrom, part.start, part.end)
        return found.reshape(len(part), self.shape[1])

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield rows and their tokens, about BASES_AT_ONCE bases at a time."""
        for rows in self._windows.blocks(max(1, BASES_AT_ONCE // max(self.shape[1], 1))):
            yield rows, self[rows]


@dataclass(frozen=True)
class ChunkWindows:
    """windows in genome order; their tokens; dropped rows with reasons."""

    windows: Windows
    tokens: WindowTokens
    dropped: pd.DataFrame

    @property
    def digests(self) -> tuple[str, str]:
        """Hashes of the windows with their names, and of their bases: equal chunks stay."""
        bases = hashlib.blake2b(digest_size=8)
        for _, tokens in self.tokens.blocks():
            bases.update(tokens.tobytes().hex().encode())
        return windows_digest(self.windows), bases.hexdigest()


def read_peaks(path: Path) -> Windows:
    """Return the windows of peaks.bed (chrom, start, end, name, score, strand)."""
    return _peaks(path, lambda chrom, centre: np.ones(len(centre), dtype=bool))


def selected_windows(plan: Plan, model: str, chunk: str, peaks: Path | None) -> Windows:
    """Return a chunk's windows: its peaks, or all its planned windows if nothing was selected."""
    if peaks is None:
        return plan.windows(model, chunk)[0]
    mine = chunk_index(chunk)
    return _peaks(peaks, lambda chrom, centre: plan.layout.bins_at(chrom, centre) == mine)


def _peaks(path: Path, wanted: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Windows:
    """Return the windows of peaks.bed that `wanted` (chrom, centre) -> (N,) bool keeps."""
    found = plain_columns(path, summits=False, comments=False)
    if found is None:  # no peak, or names of other letters than ASCII
        rows = [line.split("\t") for line in path.read_text().splitlines()]
        columns: list[tuple[str, ...]] = list(zip(*rows)) if rows else [()] * 6
        chrom, start, end, name, _, strand = columns
        all_of_them = Windows.build(chrom, list(map(int, start)), list(map(int, end)), strand, name)
        return all_of_them.take(wanted(all_of_them.chrom, all_of_them.centre))
    keep = wanted(found.chrom, found.start + (found.end - found.start) // 2)
    columns_of = (found.chrom, found.start, found.end, found.strand, found.name)
    return Windows(*(column[keep] for column in columns_of))


def usable_windows(plan: Plan, model: str, chunk: str, peaks: Path | None = None) -> ChunkWindows:
    """Return a chunk's windows with their tokens, without those that have too many N."""
    dropped = pd.DataFrame(columns=DROPPED_COLUMNS)
    if peaks is None:
        windows, dropped = plan.windows(model, chunk)
    else:
        windows = selected_windows(plan, model, chunk, peaks)
    return without_n(plan, model, windows, dropped)


def without_n(plan: Plan, model: str, windows: Windows, dropped: pd.DataFrame) -> ChunkWindows:
    """Return the windows that have not too many N; dropped: rows of those before them."""
    width = plan.models[model].window_bp
    kept, parts = [], [dropped]
    for rows, tokens in WindowTokens(plan.source, windows, width).blocks():
        part, _, too_many_n = drop_n(windows.take(rows), tokens, plan.config.regions.max_n)
        kept.append(part)
        parts.append(too_many_n)
    usable = Windows.concatenate(kept)
    some = [d for d in parts if len(d)]
    joined = pd.concat(some, ignore_index=True) if some else parts[-1]
    return ChunkWindows(usable, WindowTokens(plan.source, usable, width), joined)
