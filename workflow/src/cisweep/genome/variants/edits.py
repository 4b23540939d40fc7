"""A variant as an edit of a sequence, and the genotype that says on which haplotypes it stands."""

import re
from dataclasses import dataclass

import numpy as np

from cisweep.genome.fasta import tokens_of_text
from cisweep.genome.variants.normalize import trim
from cisweep.genome.variants.reading import Variant


@dataclass(frozen=True)
class Edit:
    """A trimmed variant: at `pos` (0-based) n_ref bases become the tokens `alt`."""

    pos: int
    n_ref: int
    alt: np.ndarray

    @classmethod
    def of(cls, variant: Variant) -> "Edit":
        """Return the edit that a variant makes."""
        pos, ref, alt = trim(variant.pos, variant.ref, variant.alt)
        return cls(pos, len(ref), tokens_of_text(alt))

    @property
    def centre(self) -> int:
        """Position that stands in the middle of the variant's window."""
        return self.pos + self.n_ref // 2

    def touches(self, begin: int, end: int) -> bool:
        """Does it change a base of [begin, end), or insert between two of them?"""
        if self.n_ref == 0:
            return begin < self.pos < end
        return begin < self.pos + self.n_ref and self.pos < end

    def overlaps(self, other: "Edit") -> bool:
        """Do both change the same bases, or insert at the same position?"""
        if self.n_ref == other.n_ref == 0:
            return self.pos == other.pos
        first, second = sorted((self, other), key=lambda e: (e.pos, e.n_ref))
        return second.pos < first.pos + first.n_ref


@dataclass(frozen=True)
class Genotype:
    """Which haplotypes of a sample carry an allele.

    carries: one bool a haplotype; phased: does their order mean anything (`|`, or all are equal);
    block: the phase set (PS), within which orders can be compared; "" is one for all.
    """

    carries: tuple[bool, ...]
    phased: bool
    block: str = ""

    @classmethod
    def of(cls, text: str) -> "Genotype":
        """Return the genotype of a text like `0|1`, `1/1`, `1` or `0|1:5000` (phase set 5000), in
        which 1 is the allele and 0 any other."""
        calls, _, block = text.partition(":")
        carries = tuple(call == "1" for call in re.split(r"[|/]", calls))
        return cls(carries, "/" not in calls or len(set(carries)) == 1, block)

    @property
    def is_het(self) -> bool:
        """Do only some of the haplotypes carry it?"""
        return len(set(self.carries)) > 1

    def on(self, haplotype: int) -> bool:
        """Does this haplotype (from 0) carry it? Where there are fewer, those decide."""
        return self.carries[haplotype] if haplotype < len(self.carries) else all(self.carries)
