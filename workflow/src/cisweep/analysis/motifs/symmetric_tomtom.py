"""Motifs compared with each other by Tomtom: one value a pair, whichever is asked first."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cisweep.analysis.seqlets.annotate_seqlets import check_queries, memelite_tomtom, threads
from cisweep.errors import MotifError


def symmetric_tomtom(
    Xs: Sequence[Any],
    n_score_bins: int = 100,
    n_median_bins: int = 1000,
    n_target_bins: int | None = 100,
    n_cache: int = 100,
    reverse_complement: bool = True,
    n_jobs: int = -1,
) -> np.ndarray:
    """Return Tomtom of n motifs against each other, (5, n, n) float64, the same for both of a pair.

    Of a pair the shorter motif is the query; of two as long, the first. The five matrices are
    p-value, score (bins), offset (bp, of the row's motif against the column's, which is turned
    where `strand` is 1), overlap (bp) and strand (0 as it is, 1 the other). The diagonal compares
    each motif with itself.

    Parameters
    ----------
    Xs: matrices (4, width), probabilities or one-hot, at most 100 positions; arrays, tensors or
        `Motif`s. p-values depend on all of them (Tomtom's background); below 25 memelite warns.
    n_score_bins, n_median_bins, n_target_bins, n_cache: as memelite's tomtom has them.
    reverse_complement: compare both strands.
    n_jobs: threads; -1 for all.

    Raises MotifError for no motif, another shape, or a motif without any base.

    Source: Tomtom, complete scores (Gupta 2007; Tanaka 2011), by memelite 0.5. Its own
    symmetric_tomtom leaves the diagonal as it was in memory, and gives both of a pair one offset.
    """
    matrices = [_matrix(X) for X in Xs]
    if not matrices:
        raise MotifError("there is no motif to compare", mend="give at least one motif")
    check_queries(matrices)
    for row, matrix in enumerate(matrices):
        if not matrix.any():
            raise MotifError(f"motif {row} holds no base", mend="leave it out")
    width = np.array([matrix.shape[1] for matrix in matrices])
    by_width = np.argsort(width, kind="stable")
    ordered = [matrices[i] for i in by_width]
    found = np.array(
        memelite_tomtom()(
            ordered, ordered, n_score_bins=n_score_bins, n_median_bins=n_median_bins,
            n_target_bins=n_target_bins, n_cache=n_cache, reverse_complement=reverse_complement,
            n_jobs=threads(n_jobs),
        )
    )  # fmt: skip
    place = np.argsort(by_width)
    return _symmetric(found, width[by_width])[:, place[:, None], place]


def _matrix(X: Any) -> np.ndarray:
    X = getattr(X, "pwm", X)
    return np.asarray(X.detach().cpu() if hasattr(X, "detach") else X, dtype=np.float64)


def _symmetric(found: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Return matrices (5, n, n) of motifs that get longer, the lower triangle from the upper."""
    turned = found.transpose(0, 2, 1).copy()
    # Where the other strand is compared, both are turned to see the longer one as it is.
    turned[2] = np.where(turned[4] > 0, turned[2] + width - width[:, None], -turned[2])
    return np.where(np.tri(len(width), k=-1, dtype=bool), turned, found)
