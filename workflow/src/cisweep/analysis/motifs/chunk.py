"""Hits of one chunk: owned by their start, so that any chunking gives each hit once. Torch-free.

The scanned intervals are the merged windows of the whole run. A chunk owns the starts in its bin;
it reads the windows of the chunks beside it too, since a window reaches over at most one border.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.fimo import count_tests, scan_tokens
from cisweep.analysis.motifs.hits import HitSums, hit_attributions, hit_fits
from cisweep.analysis.motifs.markov_background import MarkovBackground
from cisweep.analysis.motifs.qvalues import count_hits
from cisweep.analysis.motifs.score_distribution import ScoreModel, background_from_counts
from cisweep.contracts import Windows
from cisweep.genome.fasta import SequenceSource
from cisweep.genome.motifs import Motif
from cisweep.genome.regions import merge_intervals
from cisweep.parts import read_json

UNIT = 2.0**-24
"""Attributions of hits are put on multiples of this before they are added: such sums are exact in
float64 (below 2**29), so they do not depend on how the run was chunked."""


@dataclass(frozen=True)
class Attributed:
    """Attributions of windows near a chunk: (N, L) projected and (N, 4, K) hypothetical of the
    central K bases (or None), both in + orientation, by target."""

    windows: Windows
    projected: dict[str, np.ndarray]
    hypothetical: dict[str, np.ndarray] | None


@dataclass(frozen=True)
class Scan:
    """What is scanned with: motifs, their copies with shuffled columns, and both made ready."""

    motifs: list[Motif]
    model: ScoreModel
    null: ScoreModel | None


@dataclass(frozen=True)
class ChunkHits:
    """table: one row per hit; cell_counts, n_tests for q-values; null: target -> sums of copies."""

    table: pd.DataFrame
    cell_counts: np.ndarray
    n_tests: np.ndarray
    null: dict[str, HitSums]


def scan_options(step: Any, counts_path: Path) -> dict[str, Any]:
    """Return how a run scans, as arguments of `prepare_motifs`; step: the config of hits.

    counts_path: bases and dinucleotides counted in the source. Whatever compares its hits with the
    run's scans so.
    """
    return {
        "background": background_of(step.background, counts_path),
        "bin_size": step.bin_size,
        "pseudocount": step.pseudocount,
        "threshold": step.threshold,
    }


def background_of(choice: str | list[float], counts_path: Path) -> np.ndarray | MarkovBackground:
    """Return the background of scores and p-values, the same on both strands.

    (4,) base frequencies: as given, uniform, or counted in the source; of `markov1` the chain of
    order 1 of the dinucleotides counted there.
    """
    if choice == "uniform":
        return np.full(4, 0.25)
    if not isinstance(choice, str):
        return np.asarray(choice)
    counts = read_json(counts_path)
    if not any(counts[letter] for letter in "ACGT"):  # all N: there is nothing to scan
        return np.full(4, 0.25)
    if choice == "markov1":
        return MarkovBackground.of_counts(counts["dinucleotides"])
    return background_from_counts([counts[letter] for letter in "ACGT"])


def owned_intervals(
    windows: Windows, stretches: list[tuple[str, int, int]], lengths: dict[str, int]
) -> list[tuple[str, int, int, int]]:
    """Return (chrom, low, high, end): starts in [low, high) are this chunk's, `end` is where their
    merged interval ends. Padded windows are cut to the chromosome."""
    found = []
    for chrom, low, high in stretches:
        on = windows.chrom == chrom
        start = np.maximum(windows.start[on], 0)
        end = np.minimum(windows.end[on], lengths[chrom])
        for a, b in merge_intervals(start, end).tolist():
            if a < high and b > low:
                found.append((chrom, max(a, low), min(b, high), b))
    return found


def spread(values: np.ndarray, windows: Windows, chrom: str, low: int, high: int) -> np.ndarray:
    """Return (..., high - low) values of chrom:low-high, NaN where no window covers.

    values: (N, ..., K) of the central K bases of each window. Where windows overlap, the nearest
    centre wins, the earlier one on a tie, as in the bigWig tracks.
    """
    kept = values.shape[-1]
    width = int(windows.end[0] - windows.start[0]) if len(windows) else 0
    begin = windows.start + width // 2 - kept // 2
    out = np.full((*values.shape[1:-1], high - low), np.nan)
    near = np.flatnonzero((windows.chrom == chrom) & (begin < high) & (begin + kept > low))
    best = np.full(high - low, np.iinfo(np.int64).max)
    for i in near:
        a, b = max(int(begin[i]), low), min(int(begin[i]) + kept, high)
        distance = np.abs(np.arange(a, b) - int(windows.centre[i]))
        wins = distance < best[a - low : b - low]
        at = np.flatnonzero(wins) + a
        out[..., at - low] = values[i][..., at - int(begin[i])]
        best[at - low] = distance[wins]
    return out


def hits_of_chunk(
    scan: Scan,
    source: SequenceSource,
    intervals: list[tuple[str, int, int, int]],
    attributed: Attributed | None,
    *,
    n_threads: int = 1,
) -> ChunkHits:
    """Return the hits that start in the chunk, with each target's attribution and fit."""
    targets = list(attributed.projected) if attributed else []
    n_null = len(scan.null.names) if scan.null else 0
    null = {t: HitSums.zeros(n_null) for t in targets}
    counts = np.zeros(len(scan.model.p_value), dtype=np.int64)
    tests = np.zeros(len(scan.motifs), dtype=np.int64)
    tables = [_table(np.empty(0, dtype=_empty_hits(scan)), "", targets, {}, {})]
    for chrom, low, high, end in intervals:
        stop = min(end, high + scan.model.overlap_bp)
        tokens = source.tokens(chrom, low, stop)
        own = (0, high - low)
        hits = scan_tokens(scan.model, tokens, own=own, offset=low, n_threads=n_threads)
        counts += count_hits(scan.model, hits)
        tests += count_tests(scan.model, tokens, own)
        sums, fits = {}, {}
        if attributed and (len(hits) or n_null):
            copies = None
            if scan.null:
                copies = scan_tokens(scan.null, tokens, own=own, offset=low, n_threads=n_threads)
            for target in targets:
                track = spread(attributed.projected[target], attributed.windows, chrom, low, stop)
                sums[target] = hit_attributions(hits, track, low)
                if copies is not None:
                    on_grid = np.rint(hit_attributions(copies, track, low) / UNIT) * UNIT
                    null[target].add(copies["motif_idx"], on_grid)
                if attributed.hypothetical:
                    letters = spread(
                        attributed.hypothetical[target], attributed.windows, chrom, low, stop
                    )
                    fits[target] = hit_fits(hits, letters, scan.motifs, low)
        tables.append(_table(hits, chrom, targets, sums, fits))
    return ChunkHits(pd.concat(tables, ignore_index=True), counts, tests, null)


def _empty_hits(scan: Scan) -> np.dtype:
    return scan_tokens(scan.model, np.full(1, 4, dtype=np.uint8)).dtype


def _table(hits: np.ndarray, chrom: str, targets: list[str], sums: dict, fits: dict):
    table = pd.DataFrame({"chrom": np.array([chrom] * len(hits), dtype=object)})
    for column in ("start", "end", "motif_idx", "strand", "score", "p_value"):
        table[column] = hits[column]
    missing = np.full(len(hits), np.nan)
    for target in targets:
        table[f"attribution_{target}"] = sums.get(target, missing)
        cosine, projection = fits.get(target, (missing, missing))
        table[f"cosine_{target}"], table[f"projection_{target}"] = cosine, projection
    return table
