"""What hits carry: attributions, how well the matrix fits them, overlaps resolved."""

import ctypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cisweep.kernels import array, kernel

_fits = kernel(
    "hit_fits",
    None,
    [
        ctypes.c_int64,
        array(np.int64, 1),
        array(np.int32, 1),
        array(np.uint8, 1),
        array(np.float64, 2),
        ctypes.c_int64,
        *[array(np.int64, 1)] * 2,
        *[array(np.float64, 1)] * 6,
    ],
)
_places = kernel(
    "hit_places",
    None,
    [ctypes.c_int64, *[array(np.int64, 1)] * 3, *[array(np.uint8, 1)] * 2],
)


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


@dataclass(frozen=True)
class Matrices:
    """What `hit_fits` reads of motifs' matrices, made ready once.

    width, begin: (M,) int64, the columns of each matrix and where it begins in plus; plus, minus:
    all matrices, row by row, as they read on each strand; norm: (M,) float64.
    """

    width: np.ndarray
    begin: np.ndarray
    plus: np.ndarray
    minus: np.ndarray
    norm: np.ndarray

    @classmethod
    def of(cls, matrices: Sequence[np.ndarray]) -> "Matrices":
        """Return the (4, width) float64 matrices of all motifs, made ready."""
        width = np.array([m.shape[1] for m in matrices], dtype=np.int64)
        none = [np.empty(0)]
        return cls(
            width=width,
            begin=np.concatenate([[0], np.cumsum(4 * width)])[:-1].astype(np.int64),
            plus=np.concatenate([np.ravel(m) for m in matrices] or none),
            minus=np.concatenate([m[::-1, ::-1].ravel() for m in matrices] or none),
            norm=np.array([np.linalg.norm(m) for m in matrices], dtype=np.float64),
        )


def hit_fits(
    hits: np.ndarray,
    hypothetical: np.ndarray,
    matrices: Sequence[np.ndarray] | Matrices,
    offset: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return how the hits' matrices fit hypothetical attributions: cosines and projections.

    Parameters: `hits` with motif_idx, strand, start, end; `hypothetical` (4, L) of one target in
    + orientation, whose first position has coordinate `offset`; `matrices`, each motif's
    `families.centred_information`, (4, width), or all made ready. The attributions
    are centred over the four bases, the matrix is flipped on both axes for - hits.
    Both results are (N,) float64. The cosine is that of the span's attributions and the matrix. The
    projection is their product over the matrix's length, in the target's unit: what of the
    attributions has the matrix's shape. It is large only where the model reads the span and reads
    it as the matrix does; a matrix that reaches over half of a site projects less of it.
    NaN where the span leaves the track or the matrix is flat; the cosine also where the
    attributions are all equal. A hit's numbers are the same to the last bit among any other hits.
    """
    track = np.asarray(hypothetical, dtype=np.float64)
    track = np.ascontiguousarray(track - track.mean(axis=0))
    ready = matrices if isinstance(matrices, Matrices) else Matrices.of(matrices)
    cosine, projection = np.empty(len(hits)), np.empty(len(hits))
    _fits(
        len(hits), (hits["start"] - offset).astype(np.int64), hits["motif_idx"].astype(np.int32),
        (hits["strand"] == "-").view(np.uint8), track, track.shape[1], ready.begin, ready.width,
        ready.plus, ready.minus, ready.norm, np.empty(4 * int(ready.width.max(initial=0))),
        cosine, projection,
    )  # fmt: skip
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
    starts, ends = (hits[side].astype(np.int64) for side in ("start", "end"))
    bounds = np.flatnonzero(np.diff(sequence[order], prepend=-1, append=-1))
    for a, b in zip(bounds[:-1], bounds[1:]):
        rows = order[a:b]
        low = starts[rows].min()
        taken = np.zeros(ends[rows].max() - low, np.uint8)
        _places(len(rows), rows, starts - low, ends - low, taken, keep.view(np.uint8))
    return keep
