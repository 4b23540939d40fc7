"""What hits carry: attributions, a ranking of motifs against shuffled copies, overlaps resolved."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from cisweep.analysis.motifs.families import centred_information
from cisweep.analysis.motifs.qvalues import bh_qvalues
from cisweep.errors import MotifError
from cisweep.genome.motifs import Motif


def hit_attributions(hits: np.ndarray, attribution: np.ndarray, offset: int = 0) -> np.ndarray:
    """Return the summed attribution of each hit's span, float64.

    Parameters: `hits` (N,) with start and end; `attribution` (L,) or (targets, L), projected
    (of the observed base), whose first position has coordinate `offset`.
    Returns (N,) or (targets, N); NaN where a span leaves the track or meets a NaN in it. The sum
    of a hit is the same wherever the track begins.
    """
    track = np.asarray(attribution, dtype=np.float64)
    out = np.full((*track.shape[:-1], len(hits)), np.nan)
    start, width = hits["start"] - offset, hits["end"] - hits["start"]
    inside = (start >= 0) & (start + width <= track.shape[-1])
    for w in np.unique(width[inside]).tolist():
        rows = np.flatnonzero(inside & (width == w))
        spans = track[..., start[rows, None] + np.arange(w)]
        out[..., rows] = np.ascontiguousarray(spans).sum(axis=-1)
    return out


@dataclass
class HitSums:
    """Number of hits and sum of their attributions by motif, added up block by block.

    The sums run over the hits in the order given, so blocks of any size give the same bytes as
    long as the hits come in genome order. Hits without attribution (NaN) are left out.
    """

    count: np.ndarray  # (M,) int64
    total: np.ndarray  # (M,) float64

    @classmethod
    def zeros(cls, n_motifs: int) -> "HitSums":
        """Return sums over no hit of `n_motifs` motifs."""
        return cls(np.zeros(n_motifs, dtype=np.int64), np.zeros(n_motifs))

    def add(self, motif_idx: np.ndarray, attribution: np.ndarray) -> None:
        """Add a block of hits: (N,) motif numbers and (N,) attributions of one target."""
        known = np.isfinite(attribution)
        np.add.at(self.count, motif_idx[known], 1)
        np.add.at(self.total, motif_idx[known], attribution[known])

    @property
    def mean(self) -> np.ndarray:
        """Return (M,) the mean attribution of a hit, NaN without hits."""
        none = np.full(len(self.count), np.nan)
        return np.divide(self.total, self.count, out=none, where=self.count > 0)


def rank_motifs(
    motifs: Sequence[Motif],
    sums: HitSums,
    null_sums: HitSums,
    families: np.ndarray,
    *,
    target: str = "",
    min_hits: int = 5,
) -> pd.DataFrame:
    """Return one row per motif, best first, of what its hits contribute to a target.

    Parameters: `motifs` (M); `sums`, those of the motifs' hits; `null_sums`, those of n
    column-shuffled copies each, motif by motif (M * n); `families` (M,) from `motif_families`;
    `min_hits`, motifs with fewer hits are listed last, without rank, p and q.
    Columns: target, motif, name, n_hits, mean, sum (attribution in the target's unit), null_mean
    (mean of the hits of the motif's copies), z, p_value, q_value, rank_mean, rank_sum, rank_z (1 =
    highest; pandas <NA> without rank), family (name of its member of highest mean). Rows go by
    mean, then motif. Raises MotifError when lengths disagree.

    p_value is one-sided: the share of all copies of all motifs (those with at least `min_hits`
    hits) whose hits raise the target as much, (r + 1) / (N + 1), by the mean that `min_hits` hits
    of the null's mean shrink. z is its normal quantile, (r + 1/2) / (N + 1), q_value that of
    Benjamini & Hochberg over the motifs. Copies keep a motif's bases and lose its word; pooled,
    since single motifs would need thousands of copies; ranked, since the means of copies have
    tails far beyond a normal's or t's (a copy may hold another motif's word).
    """
    _check_lengths(motifs, sums, null_sums, families)
    enough = sums.count >= min_hits
    p_value, z = _against_copies(sums, null_sums, min_hits)
    table = pd.DataFrame(
        {
            "target": target,
            "motif": [m.name for m in motifs],
            "name": [m.alt or m.name for m in motifs],
            "n_hits": sums.count,
            "mean": sums.mean,
            "sum": sums.total,
            "null_mean": _of_copies(null_sums, len(motifs)).mean,
            "z": z,
            "p_value": p_value,
            "q_value": _over_motifs(p_value),
        }
    )
    for column in ("mean", "sum", "z"):
        ranks = table[column].where(enough).rank(ascending=False, method="min")
        table[f"rank_{column}"] = ranks.astype("Int64")
    return _sorted_with_families(table, families, enough)


def _check_lengths(
    motifs: Sequence[Motif], sums: HitSums, null_sums: HitSums, families: np.ndarray
) -> None:
    n = len(motifs)
    copies = len(null_sums.count) // max(n, 1)
    if len(sums.count) != n or len(families) != n or len(null_sums.count) != n * copies:
        raise MotifError(
            f"{n} motifs, sums of {len(sums.count)}, null sums of {len(null_sums.count)}, "
            f"families of {len(families)}",
            where="rank_motifs",
            mend="give one entry per motif, and the same number of copies of each",
        )
    if copies < 2:
        raise MotifError(
            f"{copies} shuffled copies of each motif",
            where="rank_motifs",
            mend="give at least 2 (steps.hits.null_copies)",
        )


def _of_copies(null_sums: HitSums, n_motifs: int) -> HitSums:
    """Return the sums (n_motifs) over each motif's copies."""
    count, total = (x.reshape(n_motifs, -1) for x in (null_sums.count, null_sums.total))
    return HitSums(count.sum(axis=1), total.sum(axis=1))


def _against_copies(
    sums: HitSums, null_sums: HitSums, min_hits: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (M,) p-values and z of motifs among all copies; NaN with fewer than min_hits hits."""
    known = null_sums.count >= min_hits
    centre = null_sums.total[known].sum() / max(int(null_sums.count[known].sum()), 1)

    def shrunken(of: HitSums) -> np.ndarray:
        # A mean of few hits is large by chance more often than one of many.
        return (of.total - of.count * centre) / (of.count + min_hits)

    null = np.sort(shrunken(null_sums)[known])
    above = len(null) - np.searchsorted(null, shrunken(sums), side="left")
    judged = (sums.count >= min_hits) & (len(null) > 0)
    p_value = np.where(judged, (above + 1) / (len(null) + 1), np.nan)
    return p_value, np.where(judged, norm.isf((above + 0.5) / (len(null) + 1)), np.nan)


def _over_motifs(p_value: np.ndarray) -> np.ndarray:
    """Return the Benjamini-Hochberg q-values of the motifs that have a p-value, NaN elsewhere."""
    known = np.isfinite(p_value)
    q_value = np.full(len(p_value), np.nan)
    q_value[known] = bh_qvalues(p_value[known], int(known.sum()))
    return q_value


def _sorted_with_families(
    table: pd.DataFrame, families: np.ndarray, enough: np.ndarray
) -> pd.DataFrame:
    ordered = table.assign(family_idx=families, ranked=enough).sort_values(
        ["ranked", "mean", "motif"], ascending=[False, False, True], kind="stable"
    )
    first = ordered.drop_duplicates("family_idx").set_index("family_idx")["name"]
    ordered["family"] = ordered["family_idx"].map(first)
    return ordered.drop(columns=["family_idx", "ranked"]).reset_index(drop=True)


def hit_cosines(
    hits: np.ndarray, hypothetical: np.ndarray, motifs: Sequence[Motif], offset: int = 0
) -> np.ndarray:
    """Return (N,) float64 cosines between hypothetical attributions and the hits' matrices.

    Parameters: `hits` with motif_idx, strand, start, end; `hypothetical` (4, L) of one target in
    + orientation, whose first position has coordinate `offset`. The attributions are centred
    over the four bases, the matrix is `centred_information`, flipped on both axes for - hits.
    NaN where the span leaves the track or the attributions are all equal. A hit's cosine is the
    same to the last bit among any other hits.
    """
    track = np.asarray(hypothetical, dtype=np.float64)
    track = track - track.mean(axis=0)
    start = hits["start"] - offset
    inside = (start >= 0) & (hits["end"] - offset <= track.shape[1])
    out = np.full(len(hits), np.nan)
    order = np.argsort(hits["motif_idx"], kind="stable")
    bounds = np.searchsorted(hits["motif_idx"][order], np.arange(len(motifs) + 1))
    for m in np.unique(hits["motif_idx"]).tolist():
        rows = order[bounds[m] : bounds[m + 1]]
        rows = rows[inside[rows]]
        matrix = centred_information(motifs[m].pwm)
        spans = track[:, start[rows, None] + np.arange(motifs[m].width)]
        # One row per hit: its sum runs in the same order however many hits there are.
        flat = np.ascontiguousarray(spans.transpose(1, 0, 2)).reshape(len(rows), matrix.size)
        minus = (hits["strand"][rows] == "-")[:, None]
        dot = (flat * np.where(minus, matrix[::-1, ::-1].ravel(), matrix.ravel())).sum(axis=1)
        norm = np.sqrt((flat * flat).sum(axis=1)) * np.linalg.norm(matrix)
        out[rows] = np.divide(dot, norm, out=np.full(len(rows), np.nan), where=norm > 0)
    return out


def resolve_overlaps(
    hits: np.ndarray,
    cosine: np.ndarray,
    names: Sequence[str],
    sequence_idx: np.ndarray | None = None,
) -> np.ndarray:
    """Return the (N,) bool mask of hits that keep their place where hits overlap.

    Strand-blind and greedy: the hit of highest cosine takes its span, ties go to the lower
    p-value, then to the motif's name, start and strand; a hit that shares a base with a taken
    span is dropped. Hits without cosine (NaN) come after all others.
    Parameters: `hits` with motif_idx, strand, start, end, p_value; `cosine` (N,) from
    `hit_cosines`; `names` (M,) of the motifs; `sequence_idx` (N,), hits of different sequences
    never overlap (None: one sequence). The result does not depend on the order of the hits.
    """
    rank_of_name = np.empty(len(names), dtype=np.int64)
    rank_of_name[np.argsort(np.array(names, dtype=object), kind="stable")] = np.arange(len(names))
    sequence = np.zeros(len(hits), np.int64) if sequence_idx is None else np.asarray(sequence_idx)
    score = np.where(np.isnan(cosine), -np.inf, cosine)
    order = np.lexsort(
        (hits["strand"] == "-", hits["start"], rank_of_name[hits["motif_idx"]], hits["p_value"],
         -score, sequence)
    )  # fmt: skip
    keep = np.zeros(len(hits), dtype=bool)
    bounds = np.flatnonzero(np.diff(sequence[order], prepend=-1, append=-1))
    for a, b in zip(bounds[:-1], bounds[1:]):
        _take(hits, order[a:b], keep)
    return keep


def _take(hits: np.ndarray, rows: np.ndarray, keep: np.ndarray) -> None:
    """Mark in `keep` the hits of one sequence, best first, that meet no span taken before."""
    low = int(hits["start"][rows].min())
    taken = bytearray(int(hits["end"][rows].max()) - low)
    starts, ends = (hits["start"][rows] - low).tolist(), (hits["end"][rows] - low).tolist()
    for row, start, end in zip(rows.tolist(), starts, ends):
        if taken.find(1, start, end) < 0:
            taken[start:end] = b"\x01" * (end - start)
            keep[row] = True
