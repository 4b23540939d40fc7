"""What designs do to motif hits: the motifs that change most, beside decoys of the same columns."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.families import shuffled_columns
from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.score_distribution import ScoreModel, prepare_motifs
from cisweep.genome.fasta import tokens_of_text
from cisweep.genome.motifs import Motif

N_DECOYS = 10


def hit_changes(
    designs: pd.DataFrame, motifs: Mapping[str, np.ndarray], seed: int, threshold: float = 1e-4,
    n_shown: int = 12,
) -> pd.DataFrame:  # fmt: skip
    """Return the change of the number of hits, per design, of the motifs that change most.

    Columns: motif, gained and lost (designs with more and with fewer hits than before), change
    (mean over designs), decoys (the same for `N_DECOYS` copies of the matrix with its columns
    shuffled, so that a gain by composition alone shows there too).

    Parameters: `designs` one row a design, of designs.parquet; `motifs` name -> (4, width); `seed`
    orders the columns of the decoys.
    """
    columns = ["motif", "gained", "lost", "change", "decoys"]
    counts = {
        side: designs[f"hits_{side}"].str.split(";").explode().value_counts()
        for side in ("gained", "lost")
    }
    moved = counts["gained"].add(counts["lost"], fill_value=0).drop("", errors="ignore")
    names = sorted(moved.index, key=lambda name: (-moved[name], name))[:n_shown]
    if not names:
        return pd.DataFrame(columns=columns)
    texts = [
        [tokens_of_text(s) for s in designs[c]] for c in ("sequence_before", "sequence_pruned")
    ]
    own = _changes(prepare_motifs({n: motifs[n] for n in names}, threshold=threshold), *texts)
    rows = []
    for name, change in zip(names, own.T):
        copies = shuffled_columns(Motif(name, "", motifs[name], 0), N_DECOYS, seed)
        decoys = _changes(
            prepare_motifs({c.name: c.pwm for c in copies}, threshold=threshold), *texts
        )
        rows.append((name, int((change > 0).sum()), int((change < 0).sum()),
                     float(change.mean()), float(decoys.mean())))  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _changes(
    scanner: ScoreModel, before: Sequence[np.ndarray], after: Sequence[np.ndarray]
) -> np.ndarray:
    """Return hits after less hits before, (designs, motifs)."""
    n = len(scanner.names)
    return np.stack([
        np.bincount(scan_tokens(scanner, b)["motif_idx"], minlength=n)
        - np.bincount(scan_tokens(scanner, a)["motif_idx"], minlength=n)
        for a, b in zip(before, after)
    ])  # fmt: skip
