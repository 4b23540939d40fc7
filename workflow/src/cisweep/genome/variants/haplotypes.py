"""Which variants stand together on the haplotypes of a window.

Without genotypes all variants of a window that fit together are taken for one haplotype, the
leftmost first. With a sample's genotypes a variant's window carries what stands on the same
haplotype; where the phase does not say, there is a reason instead of a window.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cisweep.genome.variants.edits import Edit, Genotype
from cisweep.genome.variants.reading import Variant


@dataclass(frozen=True)
class Haplotype:
    """A variant's haplotype: its number or numbers, and the other edits on it.

    name: "1", "2", "1,2"; "" without genotypes; "." where the number is unknown, but does not
    matter.
    """

    name: str
    others: list[Edit]


class NoHaplotype(Exception):
    """A variant has no window: (reason, detail)."""


class Neighbours:
    """All variants that may stand in the windows, by place: never by file order."""

    def __init__(self, variants: Sequence[Variant]):
        found: dict[str, list[tuple[int, str, str, Variant, Edit]]] = {}
        for v in variants:
            edit = Edit.of(v)
            found.setdefault(v.chrom, []).append((edit.pos, v.ref, v.alt, v, edit))
        self._rows = {c: sorted(rows, key=lambda r: r[:3]) for c, rows in found.items()}
        self._positions = {c: np.array([r[0] for r in rows]) for c, rows in self._rows.items()}

    def haplotypes(self, variant: Variant, begin: int, width: int) -> list[Haplotype]:
        """Return the distinct haplotypes that carry the variant in the window [begin, + width).

        Raises NoHaplotype where the phase does not tell which, or alleles overlap on one.
        """
        low, high = 0, 0
        if variant.chrom in self._rows:
            ends = [begin, begin + width]
            low, high = np.searchsorted(self._positions[variant.chrom], ends)
        near = [
            (v, edit)
            for *_, v, edit in self._rows.get(variant.chrom, [])[low:high]
            if (v.pos, v.ref, v.alt) != (variant.pos, variant.ref, variant.alt)
        ]
        own = Edit.of(variant)
        if not variant.genotype:
            return [Haplotype("", _fitting(own, [edit for _, edit in near]))]
        return _phased(variant, own, near)


def _fitting(own: Edit, edits: list[Edit]) -> list[Edit]:
    """Return the edits that overlap neither the variant's own nor each other, leftmost first."""
    chosen = [own]
    for edit in edits:
        if not any(edit.overlaps(c) for c in chosen):
            chosen.append(edit)
    return chosen[1:]


def _phased(variant: Variant, own: Edit, near: list[tuple[Variant, Edit]]) -> list[Haplotype]:
    mine = Genotype.of(variant.genotype)
    known = [(v, edit, Genotype.of(v.genotype)) for v, edit in near if v.genotype]
    _check_phase(mine, [(v, g) for v, _, g in known if g.is_het])
    found: dict[tuple[str, ...], tuple[list[str], list[Edit]]] = {}
    for number, carried in enumerate(mine.carries):
        if not carried:
            continue
        joined = [(v, edit) for v, edit, g in known if g.on(number)]
        for i, (v, edit) in enumerate(joined):
            if any(edit.overlaps(e) for e in [own, *(e for _, e in joined[:i])]):
                raise NoHaplotype("overlapping_alleles", f"{v.key} changes the same bases")
        numbers, _ = found.setdefault(
            tuple(v.key for v, _ in joined), ([], [edit for _, edit in joined])
        )
        numbers.append(str(number + 1))
    return [
        Haplotype(",".join(numbers) if mine.phased else ".", edits)
        for numbers, edits in found.values()
    ]


def _check_phase(mine: Genotype, hets: list[tuple[Variant, Genotype]]) -> None:
    """Raise NoHaplotype if the phase of heterozygous variants of a window is not known."""
    for v, genotype in hets:
        if not genotype.phased:
            raise NoHaplotype("unphased", f"{v.key} is in its window, with unknown phase")
        if not mine.phased:
            raise NoHaplotype("unphased", f"its phase to {v.key} in its window is unknown")
    blocks = {g.block: v for v, g in hets}
    if mine.is_het and hets:
        blocks.setdefault(mine.block, hets[0][0])
    if len(blocks) > 1:
        other = next(v for v, g in hets if g.block != mine.block or not mine.is_het)
        raise NoHaplotype("unphased", f"{other.key} in its window belongs to another phase set")
