"""Column-shuffled copies of many motifs, made ready for scanning without scoring each anew.

The score of a copy has the distribution of its motif's where bases are independent, so that the
copies share its limit; their tables are its columns in another order. Torch-free.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cisweep.analysis.motifs.families import column_orders, shuffled_columns
from cisweep.analysis.motifs.markov_background import MarkovBackground
from cisweep.analysis.motifs.score_distribution import (
    BYTE_LIMIT,
    ScanTables,
    ScoreModel,
    prepare_motifs,
)
from cisweep.genome.motifs import Motif

MOTIFS_AT_ONCE = 16
"""Motifs whose copies are scored at once under a chain: their p-values are most of the memory."""


@dataclass(frozen=True)
class Copies:
    """What a scan for copies reads (`fimo.match_places`), copies of one motif side by side.

    widths: (C,) int64.
    """

    widths: np.ndarray
    threshold: float
    n_strands: int
    tables: ScanTables


def prepare_copies(
    motifs: Sequence[Motif], model: ScoreModel, n: int, seed: int, options: Mapping[str, Any]
) -> Copies:
    """Return `n` copies of each motif (`families.shuffled_columns` with the run's `seed`).

    model: `prepare_motifs(motifs, **options)`.
    """
    if isinstance(options["background"], MarkovBackground):
        parts = []
        for first in range(0, len(motifs), MOTIFS_AT_ONCE):
            group = motifs[first : first + MOTIFS_AT_ONCE]
            copies = [copy for m in group for copy in shuffled_columns(m, n, seed)]
            parts.append(prepare_motifs(copies, **options).tables)
    else:
        parts = [_tables(model, i, column_orders(m, n, seed)) for i, m in enumerate(motifs)]
    widths = np.repeat(model.widths, n)
    return Copies(widths, model.threshold, model.n_strands, _joined(parts))


def _tables(model: ScoreModel, i: int, orders: np.ndarray) -> ScanTables:
    """Return the tables of motif i with its columns in each of the orders (n, width)."""
    first, width = i * model.n_strands, orders.shape[1]
    begin, limit = int(model.tables.column[first]), int(model.tables.limit[first])
    strands = [model.tables.loss[begin : begin + width][orders]]  # (n, width, 4)
    if model.both_strands:
        strands.append(strands[0][:, ::-1, ::-1])
    loss = np.stack(strands, axis=1).reshape(-1, width, 4)
    divisor, n_blocks = max(limit, 0) // BYTE_LIMIT + 1, (width + 1) // 2
    two = np.zeros((len(loss), 2 * n_blocks, 4), dtype=np.int32)
    two[:, :width] = loss
    two = two.reshape(-1, 2, 4)
    total = (two[:, 1, :, None] + two[:, 0, None, :]).reshape(-1, 16)
    same = np.ones(len(loss), dtype=np.int64)
    return ScanTables(
        width=(width * same).astype(np.int32),
        limit=(limit * same).astype(np.int32),
        column=width * np.arange(len(loss)),
        loss=loss.reshape(-1, 4),
        limit8=(max(limit, 0) // divisor * same).astype(np.uint8),
        block=n_blocks * np.arange(len(loss)),
        pairs=np.minimum(total // divisor, 255).astype(np.uint8),
    )


def _joined(parts: Sequence[ScanTables]) -> ScanTables:
    """Return the tables of all parts, one behind the other."""
    columns = np.cumsum([0, *(len(p.loss) for p in parts)])
    blocks = np.cumsum([0, *(len(p.pairs) for p in parts)])
    return ScanTables(
        width=np.concatenate([p.width for p in parts]),
        limit=np.concatenate([p.limit for p in parts]),
        column=np.concatenate([p.column + begin for p, begin in zip(parts, columns)]),
        loss=np.ascontiguousarray(np.concatenate([p.loss for p in parts])),
        limit8=np.concatenate([p.limit8 for p in parts]),
        block=np.concatenate([p.block + begin for p, begin in zip(parts, blocks)]),
        pairs=np.concatenate([p.pairs for p in parts]),
    )
