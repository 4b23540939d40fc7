"""The variants of a file in genome order, and those that are dropped in file order.

Memory holds a block of them, whatever the size of the file: the rest lies sorted on disk.
"""

import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path
from typing import Any

from cisweep.genome.fasta import SequenceSource
from cisweep.genome.variants.audit import BLOCK_ALLELES, VariantAudit
from cisweep.genome.variants.reading import Variant, VariantPolicy, checked_variants

_BLOCK = 100_000


class SortedOnDisk:
    """Sorts any number of items by a key, with at most `block` of them in memory.

    Equal keys keep the order in which they came. folder: for the sorted parts.
    """

    def __init__(self, folder: Path, key: Callable[[Any], Any], block: int = _BLOCK):
        self.folder, self.key, self.block = folder, key, block
        self._held: list[Any] = []
        self._parts: list[Path] = []

    def add(self, item: Any) -> None:
        """Take an item."""
        self._held.append(item)
        if len(self._held) >= self.block:
            part = self.folder / f"{id(self):x}.{len(self._parts)}.part"
            with open(part, "wb") as file:
                for each in sorted(self._held, key=self.key):
                    pickle.dump(each, file, protocol=pickle.HIGHEST_PROTOCOL)
            self._parts.append(part)
            self._held = []

    def __iter__(self) -> Iterator[Any]:
        last = sorted(self._held, key=self.key)
        return merge(*map(_read, self._parts), last, key=self.key)


def _read(path: Path) -> Iterator[Any]:
    with open(path, "rb") as file:
        while True:
            try:
                yield pickle.load(file)
            except EOFError:
                return


@dataclass
class _Blocks:
    """Alleles of reference blocks with one reason: the first with its number, how many, the last's
    row."""

    number: int
    first: Variant
    n: int = 0
    last_row: int = 0

    def add(self, variant: Variant) -> None:
        self.n += 1
        self.last_row = variant.row

    def counted(self) -> Variant:
        """Return the first, which says how many it stands for."""
        if self.n == 1:
            return self.first
        names = ", ".join(BLOCK_ALLELES)
        more = f"; so {self.n} alleles of reference blocks ({names}) to row {self.last_row}"
        return replace(self.first, detail=self.first.detail + more)


class Selection:
    """The variants of a file, told apart into kept and dropped; use `kept` first, then `dropped`.

    Parameters
    ----------
    path, genome, policy: as iter_variants takes them.
    wanted: is a chromosome of the genome part of the run?
    folder: an empty one for what does not fit into memory.
    block: variants in memory.

    n_dropped, n_blocks: how many are dropped, and how many of these are reference blocks of a gVCF,
    or *. A genome has millions of blocks and they are no variants: those of one reason are counted
    in the detail of the first, which is the one that `dropped` yields.
    """

    def __init__(
        self,
        path: Path,
        genome: SequenceSource,
        policy: VariantPolicy,
        wanted: Callable[[str], bool],
        folder: Path,
        block: int = _BLOCK,
    ):
        self.path, self.genome, self.policy, self.wanted = path, genome, policy, wanted
        rank = {name: i for i, name in enumerate(genome.lengths)}
        self._placed = SortedOnDisk(folder, lambda i: (rank[i[1].chrom], *_place(i)), block)
        self._dropped = SortedOnDisk(folder, lambda item: item[0], block)
        self._blocks: dict[str, _Blocks] = {}
        self.n_dropped = self.n_blocks = 0

    def kept(self) -> Iterator[Variant]:
        """Yield the variants that can be scored, in genome order.

        Raises VariantError as iter_variants does, at the end for faults of the whole file.
        """
        audit = VariantAudit(self.path, self.genome, self.policy)
        found = checked_variants(self.path, self.genome, self.policy)
        for number, variant in enumerate(found):
            if variant.reason:
                audit.add(variant)
                if variant.alt in BLOCK_ALLELES:
                    self._blocks.setdefault(variant.reason, _Blocks(number, variant)).add(variant)
                else:
                    self._drop(number, variant)
            else:
                self._placed.add((number, variant))
        for blocks in self._blocks.values():
            self._drop(blocks.number, blocks.counted(), blocks.n)
        first: Variant | None = None
        for number, variant in self._placed:
            if first is not None and first.key == variant.key:
                again = variant.duplicate_of(first.row)
                audit.add(again)
                self._drop(number, again)
                continue
            first = variant
            audit.add(variant)
            if self.wanted(variant.chrom):
                yield variant
            else:
                self._drop(number, _excluded(variant))
        audit.finish()
        self.n_blocks = audit.n_blocks

    def _drop(self, number: int, variant: Variant, n: int = 1) -> None:
        self._dropped.add((number, variant))
        self.n_dropped += n

    def dropped(self) -> Iterable[Variant]:
        """Yield the others, with reasons, in file order."""
        return (variant for _, variant in self._dropped)


def _place(item: tuple[int, Variant]) -> tuple[int, str, str, int]:
    number, variant = item
    return variant.pos, variant.ref, variant.alt, number


def _excluded(variant: Variant) -> Variant:
    return replace(variant, reason="excluded_chromosome", detail="does not match regions.chroms")
