"""Do designs for a yeast factor form its motif? Counts them in a run of design_yeast.yaml:

snakemake --cores 1 --configfile config/examples/design_yeast.yaml
python -m benchmarks.design_yeast results/design_yeast/design/designs.parquet MATRICES
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.genome.fasta import tokens_of_text
from cisweep.genome.motifs import load_motifs

MATRIX = {"abf1": "ABF1", "reb1": "REB1", "rap1": "RAP1"}


def rows(table: pd.DataFrame, matrices: Path, threshold: float = 1e-4) -> pd.DataFrame:
    """Per goal and method: designs, those that reach it, those that gain a hit of each factor."""
    motifs = {m.alt: m.pwm for m in load_motifs(matrices) if m.alt in MATRIX.values()}
    scanner = prepare_motifs(motifs, threshold=threshold)
    at = {name: i for i, name in enumerate(scanner.names)}

    def hits(text: str) -> np.ndarray:
        found = scan_tokens(scanner, tokens_of_text(text))["motif_idx"]
        return np.bincount(found, minlength=len(at))

    made = []
    for (goal, method), part in table.groupby(["goal", "method"], sort=False):
        part = part[part["fault"] == ""].drop_duplicates("design")
        gained = np.stack([
            hits(r.sequence_pruned) > hits(r.sequence_before) for r in part.itertuples()
        ])  # fmt: skip
        row = {"goal": goal, "method": method, "designs": len(part),
               "reached": int(part["reached"].sum()),
               "median_edits": float(part["n_edits_pruned"].median())}  # fmt: skip
        made.append(row | {f"gain_{n}": int(gained[:, at[m]].sum()) for n, m in MATRIX.items()})
    return pd.DataFrame(made)


if __name__ == "__main__":
    print(rows(pd.read_parquet(sys.argv[1]), Path(sys.argv[2])).to_string(index=False))
