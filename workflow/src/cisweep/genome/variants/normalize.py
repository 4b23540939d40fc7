"""The one way to write a variant: trimmed, and indels shifted to the left.

Source of the rules: Tan, Abecasis & Kang 2015 (Bioinformatics 31:2202), as `bcftools norm` and
`vt normalize` apply them.
"""

from cisweep.bases import text_of
from cisweep.genome.fasta import SequenceSource

_BLOCK_BP = 256


def trim(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Return (pos, ref, alt) without the bases that both alleles share at their ends.

    pos: 0-based position of ref's first base. The suffix goes first, then the prefix, so what is
    left of an indel lies as far left as its alleles allow. An allele may become empty; then pos
    is the base before which the insertion stands or the first deleted base.
    """
    shared = 0
    while shared < min(len(ref), len(alt)) and ref[-1 - shared] == alt[-1 - shared]:
        shared += 1
    if shared:
        ref, alt = ref[:-shared], alt[:-shared]
    shared = 0
    while shared < min(len(ref), len(alt)) and ref[shared] == alt[shared]:
        shared += 1
    return pos + shared, ref[shared:], alt[shared:]


def normalize(
    genome: SequenceSource, chrom: str, pos: int, ref: str, alt: str
) -> tuple[int, str, str, int]:
    """Return (pos, ref, alt, shifted_bp): the left-normalised, parsimonious variant.

    pos is 0-based, alleles are upper-case letters, and ref must equal the genome. shifted_bp
    counts the bases by which an indel moved left through a repeat; trimming is not a move. An
    indel keeps one anchor base, the one on its left, or at a chromosome's start the one on its
    right.
    """
    at, gone, new = trim(pos, ref, alt)
    if gone and new:
        return at, gone, new, 0
    unit = gone or new
    steps = _steps_left(genome, chrom, at, unit)
    turn = steps % len(unit)
    unit = unit[len(unit) - turn :] + unit[: len(unit) - turn]
    found = _anchored(genome, chrom, at - steps, unit if gone else "", unit if new else "")
    if found == (pos, ref, alt):
        return *found, 0
    # Where the file puts the indel: a VCF's alleles share their first bases, not their last.
    written = pos
    for a, b in zip(ref, alt):
        if a != b:
            break
        written += 1
    return *found, written - (at - steps)


def _anchored(
    genome: SequenceSource, chrom: str, at: int, gone: str, new: str
) -> tuple[int, str, str]:
    """Return the indel with its anchor base."""
    if at > 0:
        anchor = _text(genome, chrom, at - 1, at)
        return at - 1, anchor + gone, anchor + new
    anchor = _text(genome, chrom, at + len(gone), at + len(gone) + 1)
    return at, gone + anchor, new + anchor


def _text(genome: SequenceSource, chrom: str, start: int, end: int) -> str:
    return text_of(genome.tokens(chrom, start, end))


def _steps_left(genome: SequenceSource, chrom: str, at: int, unit: str) -> int:
    """Return by how many bases an indel of `unit` at `at` can move left.

    That is the longest stretch before it that repeats `unit` backwards; N ends it.
    """
    moved = 0
    while at - moved > 0:
        low = max(0, at - moved - _BLOCK_BP)
        for base in reversed(_text(genome, chrom, low, at - moved)):
            if base != unit[-1 - moved % len(unit)]:
                return moved
            moved += 1
    return moved
