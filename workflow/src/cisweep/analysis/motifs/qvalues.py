"""Benjamini-Hochberg q-values of motif hits, as a map and a merge.

Scores are integers, so the hits of a motif take few distinct p-values (its cells, see
`score_distribution.ScoreModel`). The map counts hits per cell and tests per motif; both merge by
adding, in any order, to the same numbers; the decision looks a hit's q up by its cell.
"""

from dataclasses import dataclass

import numpy as np

from cisweep.analysis.motifs.score_distribution import ScoreModel
from cisweep.errors import MotifError


def bh_qvalues(p_values: np.ndarray, n_tests: int, counts: np.ndarray | None = None) -> np.ndarray:
    """Return the (N,) float64 Benjamini-Hochberg q-values of p-values among `n_tests` tests.

    Parameters: `p_values` (N,), in any order; `n_tests`, how many tests were made, those that
    are not in `p_values` counted too (all of them must have larger p-values); `counts` (N,), how
    often each p-value occurred (None: once; 0 is allowed).
    q of p is the smallest p' n_tests / #{tests with p <= p'} over the given p' >= p, at most 1.
    Only p-values below a scan's threshold are known, so q is an upper bound of the one that all
    p-values would give. Raises MotifError when more p-values than tests are given.
    Source: Benjamini & Hochberg 1995.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    counts = np.ones(len(p_values), np.int64) if counts is None else np.asarray(counts, np.int64)
    if counts.sum() > n_tests:
        raise MotifError(
            f"{counts.sum()} p-values come from {n_tests} tests",
            where="bh_qvalues",
            mend="count every tested position and strand",
        )
    order = np.argsort(p_values, kind="stable")
    rank = np.cumsum(counts[order])
    # Before the first counted p-value nothing has a rank; such cells take the next one's q.
    ratio = np.divide(
        p_values[order] * n_tests, rank, out=np.full(len(order), np.inf), where=rank > 0
    )
    q_values = np.empty(len(order))
    q_values[order] = np.minimum(np.minimum.accumulate(ratio[::-1])[::-1], 1.0)
    return q_values


def known_qvalues(p_values: np.ndarray) -> np.ndarray:
    """Return the q-values of those p-values that are known, among these; NaN elsewhere."""
    known = np.isfinite(p_values)
    q_values = np.full(len(p_values), np.nan)
    q_values[known] = bh_qvalues(p_values[known], int(known.sum()))
    return q_values


def count_hits(model: ScoreModel, hits: np.ndarray) -> np.ndarray:
    """Return (cells,) int64, how many of `hits` (from `scan_tokens`) fall into each cell."""
    cells = model.cells(hits["motif_idx"], hits["score"])
    return np.bincount(cells, minlength=len(model.p_value)).astype(np.int64)


@dataclass(frozen=True)
class CellQValues:
    """q-values by cell: among the tests of the hit's own motif, and of all motifs pooled."""

    model: ScoreModel
    per_motif: np.ndarray  # (cells,) float64
    pooled: np.ndarray  # (cells,) float64

    def of(self, motif_idx: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return q per motif and pooled, (N,) each, of hits by their motif and score."""
        cells = self.model.cells(motif_idx, score)
        return self.per_motif[cells], self.pooled[cells]


def cell_qvalues(model: ScoreModel, cell_counts: np.ndarray, n_tests: np.ndarray) -> CellQValues:
    """Return the q-values of every cell from merged `count_hits` and `count_tests`.

    Parameters: `cell_counts` (cells,), `n_tests` (M,), each the sum over all chunks.
    """
    per_motif = np.empty(len(model.p_value))
    for motif, (a, b) in enumerate(zip(model.cell_offset[:-1], model.cell_offset[1:])):
        per_motif[a:b] = bh_qvalues(model.p_value[a:b], int(n_tests[motif]), cell_counts[a:b])
    pooled = bh_qvalues(model.p_value, int(n_tests.sum()), cell_counts)
    return CellQValues(model, per_motif, pooled)
