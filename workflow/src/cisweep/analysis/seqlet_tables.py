"""Seqlets of a chunk as a table in genome coordinates. Torch-free."""

import numpy as np
import pandas as pd

from cisweep.analysis.seqlet_background import Background, Sign, call
from cisweep.analysis.seqlet_fdr import Tally
from cisweep.contracts import Windows

COLUMNS = ["target", "chrom", "start", "end", "sign", "attribution", "p_value", "sequence",
           "window_start", "window_end"]  # fmt: skip


def call_chunk(
    target: str,
    windows: Windows,
    tokens: np.ndarray,
    attributions: np.ndarray,
    null: np.ndarray,
    background: Background,
    threshold: float,
    signs: tuple[Sign, ...],
) -> tuple[pd.DataFrame, Tally]:
    """Return a target's lenient calls in a chunk, and the tally of calls and decoys.

    tokens: (N, L) uint8; attributions: (N, L) projected; null: (K, L) of shuffled sequences, all in
    + orientation. Rows: COLUMNS, start and end in the genome (0-based half-open), sequence as
    letters of the + strand.
    """
    calls = call(attributions, background, threshold, signs)
    decoys = call(null, background, threshold, signs)
    tally = Tally.of(calls, decoys, attributions.size, null.size)
    row = calls["example_idx"].to_numpy(np.int64)
    start, end = calls["start"].to_numpy(np.int64), calls["end"].to_numpy(np.int64)
    letters = np.frombuffer(b"ACGTN", dtype="S1")
    table = pd.DataFrame(
        {
            "target": target,
            "chrom": windows.chrom[row],
            "start": windows.start[row] + start,
            "end": windows.start[row] + end,
            "sign": calls["sign"].to_numpy(),
            "attribution": calls["attribution"].to_numpy(np.float64),
            "p_value": calls["p_value"].to_numpy(np.float64),
            "sequence": [letters[tokens[r, a:b]].tobytes().decode() for r, a, b in zip(row, start, end)],
            "window_start": windows.start[row],
            "window_end": windows.end[row],
        },
        columns=COLUMNS,
    )
    return table, tally


def in_genome_order(table: pd.DataFrame, chroms: list[str]) -> pd.DataFrame:
    """Return the rows ordered by chromosome (in the genome's order), start, end, target, sign."""
    rank = table["chrom"].map({name: i for i, name in enumerate(chroms)})
    order = np.lexsort(
        (table["window_start"], table["sign"], table["target"], table["end"], table["start"], rank)
    )
    return table.iloc[order].reset_index(drop=True)
