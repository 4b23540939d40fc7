"""extract_loci: sequences and signal of many loci at once, as tangermeme's function gives them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.bases import one_hot
from cisweep.contracts import Windows
from cisweep.errors import RegionError
from cisweep.genome.fasta import Genome, SequenceSource, window_tokens
from cisweep.genome.regions import (
    Regions,
    check_summits,
    merge_intervals,
    overlaps,
    read_bed,
)
from cisweep.genome.signal import check_signal, read_signal

EXCLUSION_BP = 100
"""Exclusion lists act in chunks of this many bases, as in tangermeme."""

Loci = str | Path | pd.DataFrame


@dataclass(frozen=True)
class _Reach:
    """How far windows reach to the left and right of a locus's middle."""

    left: int
    right: int


def extract_loci(
    loci: Loci | Sequence[Loci],
    sequences: str | Path | SequenceSource,
    signals: Sequence[str | Path] | None = None,
    in_signals: Sequence[str | Path] | None = None,
    chroms: Sequence[str] | None = None,
    in_window: int = 2114,
    out_window: int = 1000,
    max_jitter: int = 0,
    min_counts: float | None = None,
    max_counts: float | None = None,
    target_idx: int = 0,
    n_loci: int | None = None,
    summits: bool = False,
    exclusion_lists: Loci | Sequence[Loci] | None = None,
    return_mask: bool = False,
    verbose: bool = False,
) -> np.ndarray | list[np.ndarray]:
    """Return the one-hot windows of loci and, if asked, signals, input signals and the mask.

    Parameters
    ----------
    loci: BED or narrowPeak file(s), or table(s) whose first three columns are chrom, start, end
        (0-based half-open); of several, the rows are interleaved.
    sequences: FASTA file with .fai, or a Genome or NamedSequences.
    signals, in_signals: bigWig files, read over out_window and in_window; no data is 0.
    chroms: only loci of these.
    in_window, out_window, max_jitter: bp; windows are centred on start + (end - start) // 2 and
        widened by max_jitter on both sides; an odd window reaches one base further to the right.
    min_counts, max_counts: limits, both included, of the sum of signals[target_idx].
    n_loci: the largest number that is kept.
    summits: centre on start + column 10 instead, unless that is -1.
    exclusion_lists: like loci; windows that touch a 100-bp chunk that these touch are left out.
    return_mask: also say which of the loci (after `chroms`) were kept.
    verbose: no effect.

    Returns
    -------
    int8 (n, 4, in_window + 2 max_jitter), A C G T, N zeros; float32 (n, n_signals, out_window + 2
    max_jitter); float32 (n, n_in_signals, in_window + 2 max_jitter); bool (n_loci given,). One
    array if there is one, else a list.

    Raises
    ------
    RegionError: unknown chromosome, no locus left, wrong limits. GenomeError: an unreadable file.

    Source: tangermeme 1.6 `io.extract_loci`, arguments, order and values. It differs in that arrays
    are NumPy (this room knows no torch), letters other than A C G T are N instead of an error,
    and there is no index written beside the FASTA.
    """
    _check_limits(signals, min_counts, max_counts, target_idx, n_loci)
    source = Genome(sequences) if isinstance(sequences, str | Path) else sequences
    chrom, middle = _interleaved(loci, summits, chroms)
    missing = sorted(set(chrom) - set(source.lengths))
    if missing:
        raise RegionError(
            f"loci are on chromosomes that are not in the sequences: {', '.join(missing)}",
            where="loci",
            mend="pass `chroms` to select the chromosomes to use",
        )
    out = out_window if signals is not None else 0
    reach = _Reach(
        max(in_window // 2, out // 2) + max_jitter,
        max(in_window - in_window // 2, out - out // 2) + max_jitter,
    )
    kept = _inside(chrom, middle, source.lengths, reach)
    kept &= ~_excluded(chrom, middle, exclusion_lists, reach)
    rows = np.flatnonzero(kept)
    found_signals = None
    if signals is not None:
        found_signals = _signal(signals, chrom[rows], middle[rows], out_window, max_jitter)
        counts = found_signals[:, target_idx].sum(axis=1, dtype=np.float64)
        within = np.ones(len(rows), dtype=bool)
        within &= True if min_counts is None else counts >= min_counts
        within &= True if max_counts is None else counts <= max_counts
        rows, found_signals = rows[within][:n_loci], found_signals[within][:n_loci]
    rows = rows[:n_loci]
    if not len(rows):
        raise RegionError(
            "no loci remain: they leave their chromosome, overlap an exclusion, are not on "
            "`chroms`, or have too few or too many counts",
            where="loci",
        )
    found = [_one_hot(source, chrom[rows], middle[rows], in_window, max_jitter)]
    if found_signals is not None:
        found.append(found_signals)
    if in_signals is not None:
        found.append(_signal(in_signals, chrom[rows], middle[rows], in_window, max_jitter))
    if return_mask:
        mask = np.zeros(len(chrom), dtype=bool)
        mask[rows] = True
        found.append(mask)
    return found[0] if len(found) == 1 else found


def _check_limits(signals, min_counts, max_counts, target_idx, n_loci) -> None:
    if n_loci is not None and n_loci < 1:
        raise RegionError(
            f"n_loci is {n_loci}", where="extract_loci", mend="give 1 or more, or None"
        )
    if min_counts is None and max_counts is None:
        return
    if signals is None:
        raise RegionError("min_counts and max_counts need signals", where="extract_loci")
    if not -len(signals) <= target_idx < len(signals):
        raise RegionError(
            f"target_idx {target_idx} is not one of {len(signals)} signals", where="extract_loci"
        )


def _as_list(value: Loci | Sequence[Loci] | None) -> list[Loci]:
    if value is None:
        return []
    return [value] if isinstance(value, str | Path | pd.DataFrame) else list(value)


def _rows_of(loci: Loci, summits: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return chrom, start, end and middle of one file or table."""
    if not isinstance(loci, pd.DataFrame):
        read: Regions = read_bed(Path(loci), summits=summits)
        middle = read.centre if summits else read.start + (read.end - read.start) // 2
        return read.chrom.astype(object), read.start, read.end, middle
    chrom = loci.iloc[:, 0].astype(str).to_numpy(dtype=object)
    start, end = (loci.iloc[:, i].to_numpy(dtype=np.int64) for i in (1, 2))
    if not summits:
        return chrom, start, end, start + (end - start) // 2
    summit = loci.iloc[:, 9].to_numpy(dtype=np.int64)
    check_summits(summit, start, end, lambda i: f"row {i} of the table")
    return chrom, start, end, np.where(summit >= 0, start + summit, (start + end) // 2)


def _interleaved(
    loci: Loci | Sequence[Loci], summits: bool, chroms: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return chrom and middle of the loci on `chroms`: the first row of each file, the second, …"""
    parts = []
    for part in _as_list(loci):
        chrom, _, _, middle = _rows_of(part, summits)
        wanted = np.isin(chrom, chrom if chroms is None else [str(c) for c in chroms])
        parts.append((chrom[wanted], middle[wanted]))
    if not parts:
        raise RegionError("no loci are given", where="loci")
    chrom = np.concatenate([p[0] for p in parts])
    middle = np.concatenate([p[1] for p in parts])
    order = np.argsort(np.concatenate([np.arange(len(p[0])) for p in parts]), kind="stable")
    return chrom[order], middle[order]


def _inside(chrom, middle, lengths: dict[str, int], reach: _Reach) -> np.ndarray:
    length = np.array([lengths[c] for c in chrom], dtype=np.int64)
    return (middle - reach.left >= 0) & (middle + reach.right <= length)


def _excluded(chrom, middle, lists, reach: _Reach) -> np.ndarray:
    """Return (N,) bool: does the window touch a chunk of EXCLUSION_BP that an exclusion touches?"""
    hit = np.zeros(len(chrom), dtype=bool)
    parts = [_rows_of(part, False) for part in _as_list(lists)]
    for name in sorted({c for part in parts for c in part[0]}):
        start = np.concatenate([p[1][p[0] == name] for p in parts]) // EXCLUSION_BP * EXCLUSION_BP
        end = -(-np.concatenate([p[2][p[0] == name] for p in parts]) // EXCLUSION_BP) * EXCLUSION_BP
        on = chrom == name
        zones = merge_intervals(start, end)
        hit[on] = overlaps(zones, middle[on] - reach.left, middle[on] + reach.right)
    return hit


def _windows(chrom, middle, width: int, jitter: int) -> Windows:
    start = middle - width // 2 - jitter
    return Windows.build(chrom, start, start + width + 2 * jitter)


def _one_hot(source: SequenceSource, chrom, middle, width: int, jitter: int) -> np.ndarray:
    windows = _windows(chrom, middle, width, jitter)
    order = np.lexsort((windows.start, windows.chrom.astype(str)))
    near = windows.take(order)
    tokens = np.empty((len(windows), width + 2 * jitter), dtype=np.uint8)
    tokens[order] = window_tokens(source, near.chrom, near.start, near.end)
    return np.ascontiguousarray(one_hot(tokens, np.int8))


def _signal(paths, chrom, middle, width: int, jitter: int) -> np.ndarray:
    check_signal(paths, dict.fromkeys(chrom))
    return read_signal(paths, _windows(chrom, middle, width, jitter))
