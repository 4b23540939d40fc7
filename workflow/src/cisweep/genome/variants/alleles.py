"""Windows of the reference and the alternate allele of each variant.

A window is centred on the trimmed variant: its middle base, pos + n_ref // 2, stands at
window_bp // 2. An indel changes the length, so the window of the alternate allele is trimmed or
filled up:

- `right`: the window's first base stays; bases leave, or come in, on the right (default);
- `left`: the window's last base stays; bases leave, or come in, on the left;
- `centre`: the middle of the alternate allele stands where that of the reference allele did.

What comes in is the genome's sequence; beyond the chromosome it is N. A track that the model reads
beside the sequence (bigWig) is cut in the same way: each base of the alternate window brings the
value of its own position in the genome, and an inserted base that of the base on its left.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cisweep.contracts import TOKEN_N, Windows
from cisweep.genome.fasta import SequenceSource, window_tokens
from cisweep.genome.variants.edits import Edit
from cisweep.genome.variants.haplotypes import Haplotype, Neighbours, NoHaplotype
from cisweep.genome.variants.reading import Variant

Trim = Literal["left", "right", "centre"]

_INSERTED = np.iinfo(np.int64).min
"""Position of a base that the genome does not have; real ones may be negative under edge `pad`."""


@dataclass(frozen=True)
class AllelePolicy:
    """How windows of variants are made.

    window_bp: length; trim: see the module; edge: `drop` a window that leaves its chromosome, or
    `pad` it with N; max_n: largest share of N; haplotype: put the other variants that stand on the
    same haplotype (haplotypes.py) into the alternate allele too; places: keep where in the genome
    each base comes from, which models with tracks as inputs need.
    """

    window_bp: int
    trim: Trim = "right"
    edge: str = "drop"
    max_n: float = 0.1
    haplotype: bool = False
    places: bool = False


@dataclass(frozen=True)
class AlleleWindows:
    """Windows of V variants; those at one position share one of R reference windows.

    variants: V, each with the haplotype that its row shows (a variant on two haplotypes that differ
    in its window has two rows); windows: R, strand "."; ref: (R, W) uint8; ref_idx: (V,) row of
    each variant's reference; alt: (V, W) uint8; columns: (V, W) int32, the position in the
    reference window that each base of alt comes from, or -1 (inserted, or from outside the window);
    n_joined: (V,) how many variants alt carries; dropped: variants without a window, with reasons;
    places: (V, W) int64, position in the genome of each base of alt, for an inserted base that of
    the base on its left; None unless the policy asks for it.
    """

    variants: list[Variant]
    windows: Windows
    ref: np.ndarray
    ref_idx: np.ndarray
    alt: np.ndarray
    columns: np.ndarray
    n_joined: np.ndarray
    dropped: list[Variant]
    places: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.variants)

    def take(self, rows: np.ndarray) -> "AlleleWindows":
        """Return some of the variants, with the references that they use; none dropped."""
        used, ref_idx = np.unique(self.ref_idx[rows], return_inverse=True)
        return AlleleWindows(
            variants=[self.variants[i] for i in rows],
            windows=self.windows.take(used),
            ref=self.ref[used],
            ref_idx=ref_idx.astype(np.int64),
            alt=self.alt[rows],
            columns=self.columns[rows],
            n_joined=self.n_joined[rows],
            dropped=[],
            places=None if self.places is None else self.places[rows],
        )

    def blocks(self, n_references: int) -> Iterator[tuple[np.ndarray, "AlleleWindows"]]:
        """Yield (rows, their AlleleWindows), the variants of `n_references` windows at a time."""
        for begin in range(0, len(self.windows), n_references):
            inside = (self.ref_idx >= begin) & (self.ref_idx < begin + n_references)
            rows = np.flatnonzero(inside)
            yield rows, self.take(rows)

    @property
    def ref_places(self) -> np.ndarray:
        """(R, W) int64: position in the genome of each base of the reference windows."""
        return self.windows.start[:, None] + np.arange(self.ref.shape[1])

    @property
    def changed(self) -> np.ndarray:
        """(V,) bool: does the alternate window differ from the reference window?"""
        return (self.alt != self.ref[self.ref_idx]).any(axis=1)


def allele_windows(
    variants: Sequence[Variant],
    genome: SequenceSource,
    policy: AllelePolicy,
    starts: np.ndarray | None = None,
    others: Sequence[Variant] | None = None,
) -> AlleleWindows:
    """Return the windows of both alleles of each variant.

    variants: kept variants of read_vcf, in any order, which is kept.
    starts: (N,) 0-based window starts to use instead of windows centred on the variants; a
        variant outside its window changes nothing.
    others: for haplotypes, all variants that may stand in the windows (default: `variants`).

    A variant is dropped (with its reason) if its window leaves the chromosome, holds too many N, or
    if an allele is longer than half the window.
    """
    width = policy.window_bp
    begins = [
        Edit.of(v).centre - width // 2 if starts is None else int(starts[i])
        for i, v in enumerate(variants)
    ]
    neighbours = Neighbours(variants if others is None else others) if policy.haplotype else None
    kept, dropped = [], []
    for variant, begin in zip(variants, begins):
        try:
            rows = _rows(genome, variant, begin, policy, neighbours, centred=starts is None)
        except NoHaplotype as error:
            dropped.append(variant.dropped(*error.args))
        else:
            kept += rows
    found = _assemble(kept, dropped, genome, width)
    if policy.places:
        places = np.array([k[5] for k in kept], dtype=np.int64).reshape(len(kept), width)
        found = replace(found, places=places)
    return _without_n(found, policy)


def _rows(
    genome: SequenceSource,
    variant: Variant,
    begin: int,
    policy: AllelePolicy,
    neighbours: Neighbours | None,
    *,
    centred: bool,
) -> list[tuple]:
    """Return (variant, begin, alt, columns, n_joined, places) of each of a variant's windows."""
    own, width, found = Edit.of(variant), policy.window_bp, []
    alone = [Haplotype("", [])]
    haplotypes = neighbours.haplotypes(variant, begin, width) if neighbours else alone
    for haplotype in haplotypes:
        edits = [e for e in (own, *haplotype.others) if e.touches(begin, begin + width)]
        alt, columns, span, places = _edited(genome, variant.chrom, begin, edits, own, policy)
        why = _why_not(genome.lengths[variant.chrom], own, span, policy, centred=centred)
        if why is not None:
            raise NoHaplotype(*why)
        row = replace(variant, haplotype=haplotype.name) if haplotype.name else variant
        found.append((row, begin, alt, columns, len(edits), places if policy.places else None))
    return found


def _assemble(kept: list, dropped: list[Variant], genome: SequenceSource, width: int):
    """Stack rows; references are read once for each window, in genome order."""
    rank = {name: i for i, name in enumerate(genome.lengths)}
    places = sorted({(rank[v.chrom], v.chrom, begin) for v, begin, *_ in kept})
    row_of = {(chrom, begin): i for i, (_, chrom, begin) in enumerate(places)}
    start = np.array([p[2] for p in places], dtype=np.int64)
    windows = Windows.build([p[1] for p in places], start, start + width)
    n = len(kept)
    return AlleleWindows(
        variants=[k[0] for k in kept],
        windows=windows,
        ref=window_tokens(genome, windows.chrom, windows.start, windows.end).reshape(-1, width),
        ref_idx=np.array([row_of[v.chrom, b] for v, b, *_ in kept], dtype=np.int64),
        alt=np.array([k[2] for k in kept], dtype=np.uint8).reshape(n, width),
        columns=np.array([k[3] for k in kept], dtype=np.int32).reshape(n, width),
        n_joined=np.array([k[4] for k in kept], dtype=np.int64),
        dropped=dropped,
    )


def _without_n(found: AlleleWindows, policy: AllelePolicy) -> AlleleWindows:
    """Drop variants one of whose windows holds too many N."""
    share = np.maximum(
        (found.alt == TOKEN_N).mean(axis=1),
        (found.ref == TOKEN_N).mean(axis=1)[found.ref_idx],
    )
    keep = share <= policy.max_n
    if keep.all():
        return found
    gone = [
        v.dropped("too_many_n", f"{s:.3f} of the window is N, more than {policy.max_n}")
        for v, s in zip(found.variants, share)
        if s > policy.max_n
    ]
    return replace(found.take(np.flatnonzero(keep)), dropped=[*found.dropped, *gone])


def _why_not(
    length: int, own: Edit, span: tuple[int, int], policy: AllelePolicy, *, centred: bool
) -> tuple[str, str] | None:
    longest = max(own.n_ref, len(own.alt))
    if centred and longest > policy.window_bp // 2:
        return (
            "allele_too_long",
            f"{longest} bp, more than half the window of {policy.window_bp} bp",
        )
    if policy.edge == "drop" and (span[0] < 0 or span[1] > length):
        return "off_chromosome_end", f"a window of {policy.window_bp} bp leaves it"
    return None


def _edited(
    genome: SequenceSource,
    chrom: str,
    begin: int,
    edits: list[Edit],
    own: Edit,
    policy: AllelePolicy,
) -> tuple[np.ndarray, np.ndarray, tuple[int, int], np.ndarray]:
    """Return (tokens, columns, genome span read, places) of the window with `edits` made in it."""
    width = policy.window_bp
    spare = sum(max(e.n_ref, len(e.alt)) for e in edits)
    low = begin - spare
    tokens = genome.tokens(chrom, low, begin + width + spare)
    places = np.arange(low, begin + width + spare)
    middle = own.centre - low
    for edit in sorted(edits, key=lambda e: e.pos, reverse=True):
        at = edit.pos - low
        paired = min(edit.n_ref, len(edit.alt))
        new = np.full(len(edit.alt), _INSERTED)
        new[:paired] = places[at : at + paired]
        tokens = np.concatenate([tokens[:at], edit.alt, tokens[at + edit.n_ref :]])
        places = np.concatenate([places[:at], new, places[at + edit.n_ref :]])
        if edit.pos < own.pos:
            middle += len(edit.alt) - edit.n_ref
    if policy.trim == "right" or not any(e is own for e in edits):
        first = int(np.flatnonzero(places >= begin)[0])
    elif policy.trim == "left":
        first = (
            int(np.flatnonzero((places != _INSERTED) & (places < begin + width))[-1]) - width + 1
        )
    else:
        first = middle - own.n_ref // 2 + len(own.alt) // 2 - (own.centre - begin)
    # An inserted base is lower than any place: the running maximum is the place on its left.
    filled = np.maximum.accumulate(places)[first : first + width]
    places = places[first : first + width]
    outside = (places < begin) | (places >= begin + width)
    columns = np.where(outside, -1, places - begin)
    known = places[places != _INSERTED]
    read = (min(begin, *known[:1]), max(begin + width, *(known[-1:] + 1))) if len(known) else None
    return tokens[first : first + width], columns, read or (begin, begin + width), filled
