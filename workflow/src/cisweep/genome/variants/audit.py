"""Is a file of variants as a whole one that belongs to the genome?"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cisweep.errors import VariantError
from cisweep.genome.fasta import SequenceSource
from cisweep.genome.naming import contig_aliases

BLOCK_ALLELES = ("<NON_REF>", "<*>")
"""ALT of the reference blocks of a gVCF."""
NO_ALLELES = (*BLOCK_ALLELES, "*")
"""ALT that stands for no allele: reference blocks of a gVCF, a deletion that another row has."""


class VariantAudit:
    """Counts what was read and refuses a file that cannot belong to the genome.

    n_blocks: rows of NO_ALLELES, of which a gVCF mostly consists; they are counted apart, and
    whether the file is refused does not depend on them.
    """

    def __init__(self, path: Path, genome: SequenceSource, policy: Any):
        self.path, self.genome, self.policy = path, genome, policy
        self.reasons: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.example = ""
        self.n_blocks = 0

    def add(self, variant: Any) -> None:
        """Take note of a variant, kept or dropped."""
        if variant.alt in NO_ALLELES and variant.reason != "not_in_sample":
            self.n_blocks += 1
            return
        self.reasons[variant.reason] += 1
        if variant.reason == "unknown_chromosome":
            self.unknown[variant.chrom] += 1
        if variant.reason == "ref_mismatch" and not self.example:
            self.example = f"{variant.source}: {variant.detail}"

    def finish(self) -> None:
        """Raise VariantError if the file as a whole cannot be right."""
        total = sum(self.reasons.values())
        if not total:
            blocks = f" (but {self.n_blocks} reference blocks, <NON_REF>)" if self.n_blocks else ""
            raise VariantError(f"the file has no variants{blocks}", where=str(self.path))
        # What the chosen sample does not carry was never asked for.
        total -= self.reasons["not_in_sample"]
        if not total:
            raise VariantError(
                f"sample {self.policy.sample!r} carries none of the "
                f"{self.reasons['not_in_sample']} variants",
                where=str(self.path),
                mend="name another sample in steps.variants.sample, or none",
            )
        if sum(self.unknown.values()) == total:
            self.refuse_contigs()
        wrong = self.reasons["ref_mismatch"]
        compared = wrong + self.reasons[""] + self.reasons["duplicate"]
        if 2 * wrong > compared:
            raise VariantError(
                f"REF differs from the genome in {wrong} of {compared} variants (first: "
                f"{self.example}); the genome build is probably wrong",
                where=str(self.path),
                mend="use the genome that the variants were called on, or lift them over",
            )
        bad = total - self.reasons[""]
        wanting = {k: n for k, n in self.reasons.items() if k not in ("", "not_in_sample")}
        if bad > self.policy.max_dropped * total:
            apart = f"; {self.n_blocks} reference blocks are not counted" if self.n_blocks else ""
            counts = ", ".join(f"{n} {reason}" for reason, n in Counter(wanting).most_common())
            raise VariantError(
                f"{bad} of {total} variants cannot be scored ({counts}), more than the share "
                f"steps.variants.max_dropped {self.policy.max_dropped}{apart}",
                where=str(self.path),
                mend=f"{self._renamed() or 'correct the variants'}, or raise "
                "steps.variants.max_dropped",
            )

    def _renamed(self) -> str:
        """Return the setting that gives unknown contigs the genome's names, or nothing."""
        found = contig_aliases(self.unknown, self.genome.lengths)
        pairs = ", ".join(f"{c}: {a}" for c, a in found.items())
        return f"set steps.variants.contig_aliases: {{{pairs}}}" if found else ""

    def check_contigs(self, names: Iterable[str]) -> None:
        """Raise VariantError if none of the contigs of the file is in the genome."""
        aliases = self.policy.contig_aliases
        self.unknown = Counter(n for n in names if aliases.get(n, n) not in self.genome.lengths)
        if self.unknown and len(self.unknown) == len(set(names)):
            self.refuse_contigs()

    def refuse_contigs(self) -> None:
        """Raise VariantError: no contig noted as unknown is in the genome."""
        have = ", ".join(list(self.genome.lengths)[:5])
        if renamed := self._renamed():
            raise VariantError(
                "the contigs of the variants and of the genome differ only by naming",
                where=str(self.path),
                mend=renamed,
            )
        raise VariantError(
            f"no contig of the variants ({', '.join(list(self.unknown)[:5])}) is in the genome "
            f"({have}, …)",
            where=str(self.path),
            mend="use the genome that the variants were called on",
        )
