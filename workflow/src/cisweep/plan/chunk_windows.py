"""The windows that one job handles: planned ones or selected peaks, N looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.contracts import Windows, digest
from cisweep.genome.bed_columns import plain_columns
from cisweep.genome.fasta import window_tokens
from cisweep.genome.regions import DROPPED_COLUMNS, drop_n
from cisweep.plan.chunks import chunk_index, windows_digest
from cisweep.plan.plan import Plan


@dataclass(frozen=True)
class ChunkWindows:
    """windows in genome order; tokens (N, W) uint8 in + orientation; dropped rows with reasons."""

    windows: Windows
    tokens: np.ndarray
    dropped: pd.DataFrame

    @property
    def digests(self) -> tuple[str, str]:
        """Hashes of the windows with their names, and of their bases: equal chunks stay."""
        return windows_digest(self.windows), digest(self.tokens.tobytes().hex())


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
    width = plan.models[model].window_bp
    tokens = window_tokens(plan.source, windows.chrom, windows.start, windows.end)
    tokens = tokens.reshape(len(windows), width)
    kept, kept_tokens, too_many_n = drop_n(windows, tokens, plan.config.regions.max_n)
    parts = [d for d in (dropped, too_many_n) if len(d)]
    joined = pd.concat(parts, ignore_index=True) if parts else too_many_n
    return ChunkWindows(kept, kept_tokens, joined)
