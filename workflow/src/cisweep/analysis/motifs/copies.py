"""Column-shuffled copies of many motifs, and sums of attributions over their matches. Torch-free.

The score of a copy has the distribution of its motif's where bases are independent, so that the
copies share its limit; their losses are its columns in another order.
"""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cisweep.analysis.motifs.families import column_orders, shuffled_columns
from cisweep.analysis.motifs.hits import HitSums
from cisweep.analysis.motifs.markov_background import MarkovBackground
from cisweep.analysis.motifs.score_distribution import ScoreModel, prepare_motifs
from cisweep.genome.motifs import Motif
from cisweep.kernels import array, kernel

MOTIFS_AT_ONCE = 16
"""Motifs whose copies are scored at once under a chain: their p-values are most of the memory."""

_scratch = kernel("fimo_copies_scratch", ctypes.c_int64, [ctypes.c_int64] * 2)
_sums = kernel(
    "fimo_copies",
    None,
    [
        array(np.uint8, 1),
        ctypes.c_int64,
        array(np.uint8, 1),
        array(np.float64, 2),
        *[ctypes.c_int64] * 3,
        ctypes.c_int,
        array(np.int32, 1),
        array(np.int64, 1),
        array(np.int32, 2),
        array(np.int32, 1),
        array(np.int16, 1),
        ctypes.c_int64,
        array(np.uint64, 1),
        ctypes.c_int,
        array(np.int64, 2),
        array(np.float64, 2),
    ],
)


@dataclass(frozen=True)
class Copies:
    """`n` copies of each of M motifs, copies of one motif side by side.

    widths: (M,) int32; column: (M,) int64, a motif's first row in loss, (columns, 4) int32; limit:
    (M * n,) int32, the largest loss of a match, -1 where there can be none; order: the columns of
    each copy, int16, one copy behind the other.
    """

    n: int
    both_strands: bool
    widths: np.ndarray
    column: np.ndarray
    loss: np.ndarray
    limit: np.ndarray
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.limit)

    def sums(
        self, tokens: np.ndarray, own: np.ndarray, tracks: np.ndarray, *, portable: bool = False
    ) -> list[HitSums]:
        """Return, of each track, number and summed values of the copies' matches.

        tokens: (L,) uint8; own: (L,) bool, the starts that count; tracks: (T, L) float64. A match
        whose bases have not all a finite value is left out. Values are put on multiples of 2**-24
        before they are added: such sums are exact in float64 (below 2**29), so they do not depend
        on how the run was chunked. The matches are those of a scan of each copy by itself
        (`fimo.scan_tokens`); portable: as there.
        """
        length, longest = len(tokens), int(self.widths.max())
        count = np.zeros((len(tracks), len(self)), np.int64)
        total = np.zeros(count.shape)
        _sums(
            tokens, length, own.view(np.uint8), tracks, len(tracks), len(self.widths), self.n,
            int(self.both_strands), self.widths, self.column, self.loss, self.limit, self.order,
            longest, np.empty(_scratch(length, longest) // 8 + 1, np.uint64), int(portable),
            count, total,
        )  # fmt: skip
        return [HitSums(*parts) for parts in zip(count, total)]


def prepare_copies(
    motifs: Sequence[Motif], model: ScoreModel, n: int, seed: int, options: Mapping[str, Any]
) -> Copies:
    """Return `n` copies of each motif (`families.shuffled_columns` with the run's `seed`).

    model: `prepare_motifs(motifs, **options)`.
    """
    tables, strands = model.tables, model.n_strands
    limit = np.repeat(tables.limit[::strands], n)
    if isinstance(options["background"], MarkovBackground):
        limit = _limits_under_a_chain(motifs, n, seed, options)
    orders = [column_orders(m, n, seed).ravel() for m in motifs]
    return Copies(
        n=n,
        both_strands=model.both_strands,
        widths=model.widths.astype(np.int32),
        column=np.ascontiguousarray(tables.column[::strands]),
        loss=tables.loss,
        limit=limit,
        order=np.concatenate(orders).astype(np.int16),
    )


def _limits_under_a_chain(
    motifs: Sequence[Motif], n: int, seed: int, options: Mapping[str, Any]
) -> np.ndarray:
    """Return the limit of each copy: which columns are neighbours makes a difference there."""
    found = []
    for first in range(0, len(motifs), MOTIFS_AT_ONCE):
        group = motifs[first : first + MOTIFS_AT_ONCE]
        copies = [copy for m in group for copy in shuffled_columns(m, n, seed)]
        model = prepare_motifs(copies, **options)
        found.append(model.tables.limit[:: model.n_strands])
    return np.concatenate(found)
