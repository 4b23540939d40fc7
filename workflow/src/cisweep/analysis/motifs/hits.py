"""What hits carry: attributions, how well the matrix fits them, overlaps resolved."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


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


def merge_sums(parts: Iterable[HitSums]) -> HitSums:
    """Return the sums over all chunks; exact, so in any order."""
    merged = None
    for part in parts:
        if merged is None:
            merged = HitSums(part.count.copy(), part.total.copy())
        else:
            merged.count += part.count
            merged.total += part.total
    return merged if merged is not None else HitSums.zeros(0)


def hit_fits(
    hits: np.ndarray, hypothetical: np.ndarray, matrices: Sequence[np.ndarray], offset: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return how the hits' matrices fit hypothetical attributions: cosines and projections.

    Parameters: `hits` with motif_idx, strand, start, end; `hypothetical` (4, L) of one target in
    + orientation, whose first position has coordinate `offset`; `matrices`, each motif's
    `families.centred_information`, (4, width). The attributions are centred over the four bases,
    the matrix is flipped on both axes for - hits.
    Both results are (N,) float64. The cosine is that of the span's attributions and the matrix. The
    projection is their product over the matrix's length, in the target's unit: what of the
    attributions has the matrix's shape. It is large only where the model reads the span and reads
    it as the matrix does; a matrix that reaches over half of a site projects less of it.
    NaN where the span leaves the track or the matrix is flat; the cosine also where the
    attributions are all equal. A hit's numbers are the same to the last bit among any other hits.
    """
    track = np.asarray(hypothetical, dtype=np.float64)
    track = track - track.mean(axis=0)
    start = hits["start"] - offset
    inside = (start >= 0) & (hits["end"] - offset <= track.shape[1])
    cosine, projection = np.full(len(hits), np.nan), np.full(len(hits), np.nan)
    order = np.argsort(hits["motif_idx"], kind="stable")
    bounds = np.searchsorted(hits["motif_idx"][order], np.arange(len(matrices) + 1))
    for m in np.unique(hits["motif_idx"]).tolist():
        rows = order[bounds[m] : bounds[m + 1]]
        rows = rows[inside[rows]]
        matrix = matrices[m]
        spans = track[:, start[rows, None] + np.arange(matrix.shape[1])]
        # One row per hit: its sum runs in the same order however many hits there are.
        flat = np.ascontiguousarray(spans.transpose(1, 0, 2)).reshape(len(rows), matrix.size)
        minus = (hits["strand"][rows] == "-")[:, None]
        dot = (flat * np.where(minus, matrix[::-1, ::-1].ravel(), matrix.ravel())).sum(axis=1)
        length = np.linalg.norm(matrix)
        norm = np.sqrt((flat * flat).sum(axis=1)) * length
        cosine[rows] = np.divide(dot, norm, out=np.full(len(rows), np.nan), where=norm > 0)
        projection[rows] = dot / length if length > 0 else np.nan
    return cosine, projection


def resolve_overlaps(
    hits: np.ndarray,
    fit: np.ndarray,
    names: Sequence[str],
    sequence_idx: np.ndarray | None = None,
) -> np.ndarray:
    """Return the (N,) bool mask of hits that keep their place where hits overlap.

    Strand-blind and greedy: the hit of highest fit takes its span, ties go to the lower
    p-value, then to the motif's name, start and strand; a hit that shares a base with a taken
    span is dropped. Hits without fit (NaN) come after all others.
    Parameters: `hits` with motif_idx, strand, start, end, p_value; `fit` (N,), the size of the
    projection of `hit_fits` for example; `names` (M,) of the motifs; `sequence_idx` (N,), hits of
    different sequences never overlap (None: one sequence). The result does not depend on the order
    of the hits.
    """
    rank_of_name = np.empty(len(names), dtype=np.int64)
    rank_of_name[np.argsort(np.array(names, dtype=object), kind="stable")] = np.arange(len(names))
    sequence = np.zeros(len(hits), np.int64) if sequence_idx is None else np.asarray(sequence_idx)
    score = np.where(np.isnan(fit), -np.inf, fit)
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
