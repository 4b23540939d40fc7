"""Seqlets of a chunk as a table in genome coordinates. Torch-free."""

import numpy as np
import pandas as pd

from cisweep.analysis.annotation import match_motifs, token_matrix
from cisweep.analysis.seqlet_background import Background, Sign, call
from cisweep.analysis.seqlet_fdr import Tally
from cisweep.contracts import Windows
from cisweep.genome.fasta import tokens_of_text
from cisweep.genome.motifs import Motif

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
            "sequence": [
                letters[tokens[r, a:b]].tobytes().decode() for r, a, b in zip(row, start, end)
            ],
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


def name_seqlets(
    table: pd.DataFrame, motifs: list[Motif], nearest: int, n_jobs: int
) -> pd.DataFrame:
    """Return the table with the closest motif of each seqlet by Tomtom, and the `nearest` ones.

    Adds motif (name), motif_id, motif_p_value, motif_q_value (over all motifs), motif_strand, and
    nearest_motifs (`name:p` of each, joined by ;). All are missing for a seqlet without bases.
    """
    queries = [token_matrix(tokens_of_text(s)) for s in table["sequence"]]
    found = match_motifs(queries, motifs, nearest, n_jobs)
    best = found.motif_idx[:, 0]
    known = best >= 0
    names = np.array([m.alt or m.name for m in motifs], dtype=object)
    ids = np.array([m.name for m in motifs], dtype=object)
    lists = [
        ";".join(f"{names[m]}:{p:.3g}" for m, p in zip(row, ps) if m >= 0)
        for row, ps in zip(found.motif_idx, found.p_value)
    ]
    return table.assign(
        motif=np.where(known, names[best], None),
        motif_id=np.where(known, ids[best], None),
        motif_p_value=np.where(known, found.p_value[:, 0], np.nan),
        motif_q_value=np.where(known, found.q_value[:, 0], np.nan),
        motif_strand=np.where(known, found.strand[:, 0], None),
        nearest_motifs=lists,
    )
