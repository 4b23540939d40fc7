"""A first-order background: how often each base follows each, the same on both strands."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cisweep.errors import MotifError
from cisweep.genome.motifs import BASES

DINUCLEOTIDES = tuple(a + b for a in BASES for b in BASES)


@dataclass(frozen=True, eq=False)
class MarkovBackground:
    """A chain of order 1 over A C G T that gives a word and its reverse complement one probability.

    share: (4,) float64 of the bases, of which a word's first one is drawn; transition: (4, 4)
    float64, P(next base | base), rows sum to 1.
    """

    share: np.ndarray
    transition: np.ndarray

    @classmethod
    def of_counts(cls, counts: Mapping[str, int]) -> "MarkovBackground":
        """Return the chain of counts of the 16 dinucleotides (AA, AC, …), both strands together.

        Raises MotifError where one of the sixteen never occurs: a word with it would be
        impossible. Source: the background of order 1 of the MEME suite (fasta-get-markov).
        """
        given = np.array([counts.get(word, 0) for word in DINUCLEOTIDES], np.float64).reshape(4, 4)
        # ab on one strand is b'a' on the other: both axes are complemented, and change places.
        both = given + given[::-1, ::-1].T
        if not (both > 0).all():
            missing = [DINUCLEOTIDES[i] for i in np.flatnonzero(both.ravel() == 0)]
            raise MotifError(
                f"the sequence never has {', '.join(missing)}",
                where="steps.hits.background",
                mend="markov1 needs all sixteen dinucleotides; take genome, uniform or a list",
            )
        rows = both.sum(axis=1)
        # A base begins as many dinucleotides as it ends, but for the ends of sequences; their mean
        # makes both strands exactly alike.
        share = (rows + rows[::-1]) / (2 * rows.sum())
        return cls(share, both / rows[:, None])
