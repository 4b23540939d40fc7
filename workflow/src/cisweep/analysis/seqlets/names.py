"""Names for the seqlets of a run, as good as few random spans of the same windows have them.

Tomtom's p- and q-values say how a motif's columns compare with a query's; of random spans of real
sequence 10 to 30 % have a motif at q <= 0.1. So what names a seqlet is measured on random spans
instead: its name p-value is the share of them that are named as well. Two things name a seqlet:

    tomtom  the closest motif of its bases; against random spans of the same length
    hit     a motif's match over the seqlet and its neighbour of the same target and sign, since a
            model reads the two halves of a bipartite motif and not what lies between them; against
            pairs of the same lengths and distances at random places

Of several looks at one seqlet (alone, with the left, with the right neighbour) the best counts,
times their number. Torch-free.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.score_distribution import (
    ScoreModel,
    background_from_counts,
    prepare_motifs,
)
from cisweep.analysis.seqlets.annotate_seqlets import MotifMatches, match_motifs, token_matrix
from cisweep.genome.fasta import SequenceSource, tokens_of_text
from cisweep.genome.motifs import Motif

N_SPANS = 400  # random spans of each length
N_PAIRS = 1000  # random pairs
HIT_P_VALUE = 1e-4  # of a match that may name, as the step hits has it by default
COVERED = 0.75  # share of each seqlet of a pair that lies in the match


@dataclass(frozen=True)
class NameRules:
    """rate: largest share of random spans that get a name; nearest: motifs that are listed."""

    rate: float = 0.05
    nearest: int = 3
    seed: int = 0
    n_jobs: int = 1


@dataclass(frozen=True)
class _Hits:
    """The best match over both seqlets of each pair (M,): motif -1 and p_value 1 for none."""

    motif: np.ndarray
    strand: np.ndarray
    p_value: np.ndarray


def name_seqlets(
    table: pd.DataFrame, motifs: list[Motif], source: SequenceSource, rules: NameRules
) -> pd.DataFrame:
    """Return the table with the name of each seqlet, and the closest motifs by Tomtom.

    table: seqlets in genome order (target, chrom, start, end, sign, sequence, window_start,
    window_end). Adds motif (name), motif_id, motif_strand, name_by (`hit` or `tomtom`),
    motif_p_value (of the match, or Tomtom's), motif_q_value (Tomtom's over all motifs): missing
    where name_p_value, the share of random spans that are named as well, is above `rules.rate`.
    nearest_motifs are Tomtom's, named or not (`name:p` of each, joined by ;).
    """
    queries = [token_matrix(tokens_of_text(s)) for s in table["sequence"]]
    found = match_motifs(queries, motifs, rules.nearest, rules.n_jobs)
    width = np.array([q.shape[1] for q in queries], np.int64)
    places = _Places.of(table, source, rules.seed)
    alone = _share_of_spans(width, found, motifs, places, rules)
    pair, hits, share = _paired(table, motifs, places)
    looks = 1 + np.bincount(pair.ravel(), minlength=len(table))
    both = np.full(len(table), 1.0)
    by_pair = np.full(len(table), -1)
    for k in np.lexsort((hits.p_value, share)).tolist():
        for i in pair[k].tolist():
            if by_pair[i] < 0 and hits.motif[k] >= 0:
                by_pair[i], both[i] = k, share[k]
    hit = looks * both <= rules.rate
    tomtom = ~hit & (looks * alone <= rules.rate) & (found.motif_idx[:, 0] >= 0)
    k = by_pair[hit]
    motif, p_value = found.motif_idx[:, 0].copy(), found.p_value[:, 0].copy()
    strand, q_value = found.strand[:, 0].astype(object), found.q_value[:, 0].copy()
    motif[hit], p_value[hit], strand[hit] = hits.motif[k], hits.p_value[k], hits.strand[k]
    q_value[~tomtom] = np.nan
    named = hit | tomtom
    names = np.array([m.alt or m.name for m in motifs], dtype=object)
    ids = np.array([m.name for m in motifs], dtype=object)
    return table.assign(
        motif=np.where(named, names[motif], None),
        motif_id=np.where(named, ids[motif], None),
        motif_p_value=np.where(named, p_value, np.nan),
        motif_q_value=q_value,
        motif_strand=np.where(named, strand, None),
        name_by=np.where(hit, "hit", np.where(tomtom, "tomtom", None)),
        name_p_value=np.minimum(looks * np.where(hit, both, np.minimum(alone, both)), 1.0),
        nearest_motifs=[
            ";".join(f"{names[m]}:{p:.3g}" for m, p in zip(row, ps) if m >= 0)
            for row, ps in zip(found.motif_idx, found.p_value)
        ],
    )


@dataclass(frozen=True)
class _Places:
    """Windows that hold seqlets, from which random places are drawn."""

    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray
    source: SequenceSource
    seed: int

    @classmethod
    def of(cls, table: pd.DataFrame, source: SequenceSource, seed: int) -> "_Places":
        rows = table[["chrom", "window_start", "window_end"]].drop_duplicates()
        return cls(*(rows[c].to_numpy() for c in rows), source, seed)

    def draw(self, lengths: np.ndarray, kind: int) -> list[tuple[str, int]]:
        """Return chromosome and start of a random span of each length within a window."""
        rng = np.random.default_rng([self.seed, kind])
        row = rng.integers(0, len(self.start), len(lengths))
        room = np.maximum(self.end[row] - self.start[row] - lengths + 1, 1)
        start = self.start[row] + (rng.random(len(lengths)) * room).astype(np.int64)
        return list(zip(self.chrom[row].tolist(), start.tolist()))

    def background(self) -> np.ndarray:
        """Return the base frequencies of at most 1000 of the windows, drawn at random."""
        rows = np.random.default_rng([self.seed, 0]).permutation(len(self.start))[:1000]
        counts = np.ones(5, np.int64)  # one of each, should all be N
        for i in rows.tolist():
            tokens = self.source.tokens(self.chrom[i], int(self.start[i]), int(self.end[i]))
            counts += np.bincount(tokens, minlength=5)
        return background_from_counts(counts[:4].tolist())


def _share(values: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Return how often random ones have as low a p-value, the seqlet itself counted among them."""
    return (1 + np.searchsorted(np.sort(null), values, side="right")) / (1 + len(null))


def _share_of_spans(
    width: np.ndarray,
    found: MotifMatches,
    motifs: list[Motif],
    places: _Places,
    rules: NameRules,
) -> np.ndarray:
    """Return (M,) the share of random spans of a seqlet's length with as close a motif."""
    share = np.ones(len(width))
    for length in np.unique(width).tolist():
        drawn = places.draw(np.full(N_SPANS, length), length)
        spans = [places.source.tokens(chrom, start, start + length) for chrom, start in drawn]
        spans = [tokens for tokens in spans if (tokens < 4).all()]
        if spans:
            queries = [token_matrix(tokens) for tokens in spans]
            null = match_motifs(queries, motifs, 1, rules.n_jobs).p_value[:, 0]
            rows = width == length
            share[rows] = _share(found.p_value[rows, 0], null)
    return share


def _paired(
    table: pd.DataFrame, motifs: list[Motif], places: _Places
) -> tuple[np.ndarray, _Hits, np.ndarray]:
    """Return rows (M, 2) of neighbours, the best match over each pair, and the share of random
    pairs with as good a match."""
    widest = max(m.width for m in motifs)
    pair = _neighbours(table, widest)
    if not len(pair):
        none = np.empty(0, np.int64)
        return pair, _Hits(none, np.empty(0, object), np.empty(0)), np.empty(0)
    model = prepare_motifs(motifs, background=places.background(), threshold=HIT_P_VALUE)
    start, end = (table[c].to_numpy(np.int64)[pair] for c in ("start", "end"))
    chrom = table["chrom"].to_numpy()[pair[:, 0]].tolist()
    hits = _best_hits(model, places.source, chrom, start, end)
    rng = np.random.default_rng([places.seed, 1])
    like = rng.integers(0, len(pair), N_PAIRS)
    drawn = places.draw(end[like].max(axis=1) - start[like, 0], 2)
    shift = np.array([at for _, at in drawn], np.int64) - start[like, 0]
    null = _best_hits(
        model, places.source, [c for c, _ in drawn],
        start[like] + shift[:, None], end[like] + shift[:, None],
    )  # fmt: skip
    return pair, hits, _share(hits.p_value, null.p_value)


def _neighbours(table: pd.DataFrame, widest: int) -> np.ndarray:
    """Return rows (M, 2) of seqlets side by side, of one target and sign, that a motif spans."""
    keys = [pd.factorize(table[c])[0] for c in ("target", "sign", "chrom")]
    start, end = (table[c].to_numpy(np.int64) for c in ("start", "end"))
    order = np.lexsort((end, start, *keys))
    left, right = order[:-1], order[1:]
    same = np.all([key[left] == key[right] for key in keys], axis=0)
    spanned = np.ceil(COVERED * (end[left] - start[left])) + np.ceil(
        COVERED * (end[right] - start[right])
    ) + np.maximum(start[right] - end[left], 0) <= widest  # fmt: skip
    return np.stack([left, right], axis=1)[same & spanned]


def _best_hits(
    model: ScoreModel,
    source: SequenceSource,
    chrom: list[str],
    start: np.ndarray,
    end: np.ndarray,
) -> _Hits:
    """Return the match with the lowest p-value that covers both spans of each pair (M, 2)."""
    motif, p_value = np.full(len(chrom), -1), np.ones(len(chrom))
    strand = np.full(len(chrom), "+", object)
    reach = model.overlap_bp + 1
    for k, name in enumerate(chrom):
        low, high = int(start[k].min()) - reach, int(end[k].max()) + reach
        hits = scan_tokens(model, source.tokens(name, low, high), offset=low)
        inside = [
            np.minimum(hits["end"], b) - np.maximum(hits["start"], a) >= COVERED * (b - a)
            for a, b in zip(start[k], end[k])
        ]
        hits = hits[inside[0] & inside[1]]
        if len(hits):
            best = hits[np.argmin(hits["p_value"])]
            motif[k], strand[k], p_value[k] = best["motif_idx"], best["strand"], best["p_value"]
    return _Hits(motif, strand, p_value)
