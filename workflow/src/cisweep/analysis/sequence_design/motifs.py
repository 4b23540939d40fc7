"""Motifs of designs: those they must or must not hold, and what becomes of hits (no torch).

What is required or forbidden is an integer loss that a small scan adds up.

A rule finds exactly the hits that `fimo` finds: its tables are those of `prepare_motifs`. It is
kept apart from the scan kernel because designs ask for few motifs in many short windows, and for
the cheapest way to make a hit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.families import shuffled_columns
from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.score_distribution import ScoreModel, prepare_motifs
from cisweep.errors import MotifError
from cisweep.genome.fasta import tokens_of_text
from cisweep.genome.motifs import Motif, load_motifs

N_DECOYS = 10
"""Copies of a motif with shuffled columns, beside which the change of its hits stands."""
NEVER = 1 << 24
"""Loss of an N, above every limit and far from the end of int32."""
IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT",
    "K": "GT", "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class MotifRule:
    """One motif; a window of its width is a hit if its summed loss is at most the limit."""

    name: str
    strands: tuple[tuple[np.ndarray, int], ...]
    """Loss (width, 4) int32 and limit, one entry per strand."""

    @property
    def width(self) -> int:
        """Return the number of positions."""
        return len(self.strands[0][0])

    def hits(self, tokens: np.ndarray) -> np.ndarray:
        """Return bool (n, length − width + 1), True where a hit starts, on either strand."""
        n_starts = max(tokens.shape[1] - self.width + 1, 0)
        found = np.zeros((len(tokens), n_starts), bool)
        index = tokens.astype(np.intp)
        for loss, limit in self.strands:
            total = np.zeros((len(tokens), n_starts), np.int32)
            for j, column in enumerate(loss):
                total += np.append(column, np.int32(NEVER)).take(index[:, j : j + n_starts])
            found |= total <= limit
        return found


def motif_rules(
    motifs: str | Path | Mapping[str, Any] | Sequence[str],
    threshold: float = 1e-4,
    reverse_complement: bool = True,
) -> tuple[MotifRule, ...]:
    """Return rules for the motifs of a MEME file, of matrices, or of plain IUPAC words.

    Parameters
    ----------
    motifs : MEME file; or name → probabilities (4, width), A C G T; or words such as "GAATTC",
        whose hits are exact matches.
    threshold : a hit of a matrix has p < threshold against a uniform background, as in `fimo`.
    reverse_complement : hits on the other strand count too.

    Raises
    ------
    MotifError : no motif, a wrong letter, or a matrix that no window can match at this threshold.
    """
    if not isinstance(motifs, str | Path | Mapping):
        return tuple(_word_rule(word, reverse_complement) for word in motifs)
    named = load_motifs(motifs) if isinstance(motifs, str | Path) else motifs
    model = prepare_motifs(named, threshold=threshold, reverse_complement=reverse_complement)
    tables, step = model.tables, model.n_strands
    rules = []
    for i, name in enumerate(model.names):
        entries = []
        for e in range(i * step, (i + 1) * step):
            first, width = int(tables.column[e]), int(tables.width[e])
            entries.append((tables.loss[first : first + width], int(tables.limit[e])))
        if entries[0][1] < 0:
            raise MotifError(
                f"no sequence matches at p < {threshold}",
                where=f"motif {name}",
                mend="raise the threshold (steps.design.motif_threshold)",
            )
        rules.append(MotifRule(name, tuple(entries)))
    return tuple(rules)


def _word_rule(word: str, reverse_complement: bool) -> MotifRule:
    letters = word.upper()
    if not letters or any(letter not in IUPAC for letter in letters):
        raise MotifError(
            f"{word!r} is not a DNA word in IUPAC letters", mend=f"use {''.join(IUPAC)}"
        )
    loss = np.array(
        [[base not in IUPAC[letter] for base in "ACGT"] for letter in letters], np.int32
    )
    strands = [(loss, 0)]
    if reverse_complement:
        strands.append((loss[::-1, ::-1], 0))
    return MotifRule(word, tuple(strands))


def hit_changes(
    designs: pd.DataFrame, motifs: Mapping[str, np.ndarray], seed: int, threshold: float = 1e-4,
    n_shown: int = 12,
) -> pd.DataFrame:  # fmt: skip
    """Return the change of the number of hits, per design, of the motifs that change most.

    Columns: motif, gained and lost (designs with more and with fewer hits than before), change
    (mean over designs), decoys (the same for `N_DECOYS` copies of the matrix with its columns
    shuffled, so that a gain by composition alone shows there too).

    Parameters: `designs` one row per design, of designs.parquet; `motifs` name -> (4, width);
    `seed` orders the columns of the decoys.
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
