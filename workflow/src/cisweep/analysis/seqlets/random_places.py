"""Random places in the windows that hold seqlets, beside the seqlets. Torch-free."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.score_distribution import background_from_counts
from cisweep.genome.fasta import SequenceSource
from cisweep.genome.regions import merge_intervals

TRIES = 20  # random places that are drawn for each that is wanted


@dataclass(frozen=True)
class RandomPlaces:
    """Windows that hold seqlets, from which random places are drawn."""

    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray
    source: SequenceSource
    seed: int

    taken: dict[str, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(
        cls, table: pd.DataFrame, over: pd.DataFrame, source: SequenceSource, seed: int
    ) -> "RandomPlaces":
        """Return the windows of seqlets; over: spans (chrom, start, end) of what names them.

        Random places lie beside the seqlets and those spans, since whatever lies in a strong site
        has its name for the same reason as the seqlet has.
        """
        rows = table[["chrom", "window_start", "window_end"]].drop_duplicates()
        taken = {}
        places = ["chrom", "start", "end"]
        for chrom, mine in pd.concat([table[places], over[places]]).groupby("chrom"):
            ends = (mine[side].to_numpy(np.int64) for side in ("start", "end"))
            merged = merge_intervals(*ends)
            taken[chrom] = merged[:, 0], merged[:, 1]
        return cls(*(rows[c].to_numpy() for c in rows), source, seed, taken)

    def draw(self, lengths: np.ndarray, kind: int) -> list[tuple[str, int]]:
        """Return chromosome and start of a random span of each length within a window.

        It overlaps no seqlet. Where TRIES draws meet no free place the last one is taken, which
        makes the null stricter.
        """
        rng = np.random.default_rng([self.seed, kind])
        shape = len(lengths), TRIES
        row = rng.integers(0, max(len(self.start), 1), shape)
        share = rng.random(shape)
        found = []
        for length, rows, shares in zip(lengths.tolist(), row, share):
            room = np.maximum(self.end[rows] - self.start[rows] - length + 1, 1)
            starts = self.start[rows] + (shares * room).astype(np.int64)
            drawn = list(zip(self.chrom[rows].tolist(), starts.tolist()))
            free = (place for place in drawn if self._is_free(*place, length))
            found.append(next(free, drawn[-1]))
        return found

    def _is_free(self, chrom: str, start: int, length: int) -> bool:
        starts, ends = self.taken.get(chrom, (np.empty(0), np.empty(0)))
        k = int(np.searchsorted(ends, start, side="right"))
        return k == len(starts) or starts[k] >= start + length

    def background(self) -> np.ndarray:
        """Return the base frequencies of at most 1000 of the windows, drawn at random."""
        rows = np.random.default_rng([self.seed, 0]).permutation(len(self.start))[:1000]
        counts = np.ones(5, np.int64)  # one of each, should all be N
        for i in rows.tolist():
            tokens = self.source.tokens(self.chrom[i], int(self.start[i]), int(self.end[i]))
            counts += np.bincount(tokens, minlength=5)
        return background_from_counts(counts[:4].tolist())
