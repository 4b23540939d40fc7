"""In which places the column-shuffled copies of motifs are looked for. Torch-free.

The copies are the null of the ranking, which asks for the mean of a copy's matches: some dozens of
them tell it, however many there would be in the whole run. Where a run explains more, places are
drawn by their coordinates alone, so that no result depends on how the run was chunked. Means of
fewer matches spread more than those of all, so that the null is the wider one, never the narrower.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from cisweep.analysis.motifs.pieces import Piece
from cisweep.contracts import seed_of

CELL_BP = 1024
"""Bases of a cell, the stretch that is drawn or left out."""
MATCHES = 60
"""Matches that the drawn places are to hold of a copy, by its threshold alone."""


@dataclass(frozen=True)
class NullSample:
    """The share of the cells of the genome that is drawn (1: all), by the run's seed."""

    fraction: float
    seed: int = 0

    @classmethod
    def of(cls, n_bp: int, threshold: float, seed: int = 0) -> "NullSample":
        """Return the sample of a run that explains `n_bp` bases, for matches with p < threshold."""
        wanted = MATCHES / (2 * threshold)  # on both strands
        share = min(1.0, wanted / max(n_bp, 1))
        # Two digits, so that a few windows more or less do not make every chunk anew.
        digits = 1 - math.floor(math.log10(share))
        return cls(math.floor(share * 10**digits + 1e-9) / 10**digits, seed)

    def holds(self, chrom: str, cell: int) -> bool:
        """Is a cell drawn."""
        number = (seed_of(self.seed, "hits null", f"{chrom}:{cell}") >> 11) / 2.0**53
        return number < self.fraction

    def within(self, pieces: Iterable[Piece], overlap_bp: int) -> list[Piece]:
        """Return the parts of pieces whose own starts are drawn.

        A part reads up to `overlap_bp` bases beyond its own starts, as far as its piece goes.
        """
        if self.fraction >= 1:
            return list(pieces)
        found: list[Piece] = []
        for chrom, low, high, stop in pieces:
            for cell in range(low // CELL_BP, (high - 1) // CELL_BP + 1):
                if self.holds(chrom, cell):
                    begin, end = max(low, cell * CELL_BP), min(high, (cell + 1) * CELL_BP)
                    found.append(Piece(chrom, begin, end, min(stop, end + overlap_bp)))
        return found
