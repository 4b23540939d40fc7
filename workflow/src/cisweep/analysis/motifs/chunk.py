"""Hits of one chunk: owned by their start, so that any chunking gives each hit once. Torch-free.

The scanned intervals are the merged windows of the whole run. A chunk owns the starts in its bin;
it reads the windows of the chunks beside it too, since a window reaches over at most one border.
Intervals are cut and joined to pieces of one size (`pieces`), so that neither many short intervals
nor a long one make a difference in time or memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.families import centred_information
from cisweep.analysis.motifs.fimo import THREAD_BLOCK, Scanned, match_places, scan_tokens
from cisweep.analysis.motifs.hits import HitSums, hit_attributions, hit_fits, merge_sums
from cisweep.analysis.motifs.markov_background import MarkovBackground
from cisweep.analysis.motifs.pieces import PIECE_BP, Axis, Joined, batches
from cisweep.analysis.motifs.qvalues import count_hits
from cisweep.analysis.motifs.score_distribution import ScoreModel, background_from_counts
from cisweep.analysis.motifs.tracks import Attributed, Laid
from cisweep.contracts import stored_name
from cisweep.genome.fasta import SequenceSource
from cisweep.genome.motifs import Motif
from cisweep.parts import read_json

UNIT = 2.0**-24
"""Attributions of hits are put on multiples of this before they are added: such sums are exact in
float64 (below 2**29), so they do not depend on how the run was chunked."""
STARTS_AT_ONCE = 1 << 17
"""Starts at which copies are looked for at once: of fifty copies of a thousand motifs more than a
million match."""


@dataclass(frozen=True)
class Scan:
    """What is scanned with: motifs, and they and their column-shuffled copies made ready."""

    motifs: Sequence[Motif]
    model: ScoreModel
    null: Scanned | None

    @cached_property
    def matrices(self) -> list[np.ndarray]:
        """`centred_information` of each motif."""
        return [centred_information(m.pwm) for m in self.motifs]


@dataclass(frozen=True)
class ChunkCounts:
    """What a chunk's hits add up to: hits per cell and tests per motif, which q-values are taken
    from; target -> sums of the copies. They grow while `hits_of_chunk` is read."""

    cells: np.ndarray
    n_tests: np.ndarray
    null: dict[str, HitSums]

    @classmethod
    def zeros(cls, scan: Scan, targets: Sequence[str]) -> Self:
        """Return the counts of no hit."""
        return cls(
            np.zeros(len(scan.model.p_value), dtype=np.int64),
            np.zeros(len(scan.motifs), dtype=np.int64),
            {t: HitSums.zeros(len(scan.null.widths) if scan.null else 0) for t in targets},
        )

    def plus(self, other: Self) -> Self:
        """Return the counts of both; exact, so in any order."""
        null = {t: merge_sums([sums, other.null[t]]) for t, sums in self.null.items()}
        return type(self)(self.cells + other.cells, self.n_tests + other.n_tests, null)


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


def hits_of_chunk(
    scan: Scan,
    source: SequenceSource,
    intervals: list[tuple[str, int, int, int]],
    attributed: Attributed | None,
    counts: ChunkCounts,
    *,
    n_threads: int = 1,
    piece_bp: int = PIECE_BP,
) -> Iterator[pd.DataFrame]:
    """Yield the hits that start in the chunk, with each target's attribution and fit.

    intervals: of `owned_intervals`; counts: what the hits are added to; piece_bp: bases that are
    scanned at once, on which no result depends. There is at least one table, possibly empty.
    """
    axis = Axis(tuple(source.lengths))
    along = attributed.along(axis) if attributed else None
    for pieces in batches(intervals, scan.model.overlap_bp, piece_bp) if intervals else [[]]:
        joined = Joined.read(pieces, axis, source)
        hits = joined.own(scan_tokens(scan.model, joined.tokens, n_threads=n_threads))
        np.add(counts.cells, count_hits(scan.model, hits), out=counts.cells)
        np.add(counts.n_tests, joined.count_tests(scan.model), out=counts.n_tests)
        values: dict[str, np.ndarray] = {}
        if along:
            parts = joined.within(along.covered)
            laid = Laid(along, joined if parts == pieces else Joined.read(parts, axis, source))
            values = _values_of_hits(scan, joined, hits, laid)
            if scan.null:
                _add_copies(scan.null, laid, counts.null, n_threads)
        yield _table(joined, hits, values)


def _values_of_hits(
    scan: Scan, joined: Joined, hits: np.ndarray, laid: Laid
) -> dict[str, np.ndarray]:
    """Return column -> (N,) float64, NaN for hits that no window covers."""
    piece = joined.piece_of(hits["start"])
    shift = joined.begins[piece] - joined.at[piece]
    inside, at = laid.joined.find(hits["start"] + shift, hits["end"] + shift)
    own = hits[inside]
    own["end"] += at - own["start"]
    own["start"] = at
    columns = {}
    for target in laid.along.of.targets:
        found = [hit_attributions(own, laid.projected(target))]
        letters = laid.hypothetical(target)
        found += [np.full(len(own), np.nan)] * 2 if letters is None else hit_fits(
            own, letters, scan.matrices
        )  # fmt: skip
        for kind, part in zip(("attribution", "cosine", "projection"), found):
            columns[f"{kind}_{stored_name(target)}"] = np.full(len(hits), np.nan)
            columns[f"{kind}_{stored_name(target)}"][inside] = part
    return columns


def _add_copies(null: Scanned, laid: Laid, sums: dict[str, HitSums], n_threads: int) -> None:
    """Add the attributions of the copies' matches, which are looked for where there are any."""
    joined = laid.joined
    tracks = {target: laid.projected(target) for target in sums}
    step = STARTS_AT_ONCE if n_threads == 1 else n_threads * THREAD_BLOCK
    for first in range(0, len(joined.tokens), step):
        last = min(first + step, len(joined.tokens))
        copy, start = match_places(null, joined.tokens, first, last, n_threads)
        own = start < joined.own_ends[joined.piece_of(start)]
        copy, start = copy[own], start[own]
        by_width = {int(w): np.flatnonzero(null.widths[copy] == w) for w in np.unique(null.widths)}
        values = np.empty(len(copy))
        for target, track in tracks.items():
            for width, sums_of_spans in _sums_by_width(track, first, last, max(by_width)):
                if width in by_width:
                    rows = by_width[width]
                    values[rows] = sums_of_spans[start[rows] - first]
            sums[target].add(copy, np.rint(values / UNIT) * UNIT)


def _sums_by_width(
    track: np.ndarray, first: int, last: int, longest: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield width and (last - first,) sums of the spans of that width from each start on.

    Base is added to base, so that a sum does not depend on `first`.
    """
    n = last - first
    reached = np.full(n + longest, np.nan)
    part = track[first : last + longest]
    reached[: len(part)] = part
    running = np.zeros(n)
    for width in range(1, longest + 1):
        running += reached[width - 1 : width - 1 + n]
        yield width, running


def _table(joined: Joined, hits: np.ndarray, values: dict[str, np.ndarray]) -> pd.DataFrame:
    piece = joined.piece_of(hits["start"])
    names = np.array([p.chrom for p in joined.pieces], dtype=object)
    shift = joined.low[piece] - joined.at[piece]
    return pd.DataFrame(
        {
            "chrom": names[piece],
            "start": hits["start"] + shift,
            "end": hits["end"] + shift,
            "motif_idx": hits["motif_idx"],
            "strand": np.where(hits["strand"] == "-", "-", "+").astype(object),
            "score": hits["score"],
            "p_value": hits["p_value"],
            **values,
        }
    )
