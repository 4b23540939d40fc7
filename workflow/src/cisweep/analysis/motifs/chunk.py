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

from cisweep.analysis.motifs.copies import Copies
from cisweep.analysis.motifs.families import centred_information
from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.hits import HitSums, Matrices, hit_attributions, hit_fits, merge_sums
from cisweep.analysis.motifs.markov_background import MarkovBackground
from cisweep.analysis.motifs.null_sample import NullSample
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


@dataclass(frozen=True)
class Scan:
    """What is scanned with: motifs, and they and their column-shuffled copies made ready; sample:
    where the copies are looked for."""

    motifs: Sequence[Motif]
    model: ScoreModel
    null: Copies | None
    sample: NullSample = NullSample(1.0)

    @cached_property
    def matrices(self) -> Matrices:
        """`centred_information` of each motif."""
        return Matrices.of([centred_information(m.pwm) for m in self.motifs])


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
            {t: HitSums.zeros(len(scan.null) if scan.null else 0) for t in targets},
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
                drawn = scan.sample.within(parts, scan.model.overlap_bp)
                if drawn != parts:
                    laid = Laid(along, Joined.read(drawn, axis, source))
                _add_copies(scan.null, laid, counts.null)
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


def _add_copies(copies: Copies, laid: Laid, sums: dict[str, HitSums]) -> None:
    """Add the attributions of the copies' matches, which are looked for where there are any."""
    joined = laid.joined
    if not len(joined.tokens):
        return
    tracks = np.stack([laid.projected(target) for target in sums])
    for target, found in zip(sums, copies.sums(joined.tokens, joined.is_own, tracks)):
        sums[target].count += found.count
        sums[target].total += found.total


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
