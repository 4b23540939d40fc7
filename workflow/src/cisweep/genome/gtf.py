"""Genes of a GTF file, one transcript each. Source: GTF2.2, https://mblab.wustl.edu/GTF22.html."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cisweep.errors import RegionError
from cisweep.textfile import open_text

_ATTRIBUTE = re.compile(r'(\w+) "([^"]*)"')
_MEND = (
    "give a GTF with gene_id attributes (of a GFF3: gffread -T), or leave steps.report.genes out"
)


@dataclass(frozen=True)
class Gene:
    """A gene: place (0-based, half-open), strand, name, and the exons (start, end) of the
    transcript with the most bases; the whole gene, where the file has no exons."""

    chrom: str
    start: int
    end: int
    strand: str
    name: str
    exons: tuple[tuple[int, int], ...]


def read_genes(path: Path, wanted: Callable[[str, int, int], bool]) -> list[Gene]:
    """Return the genes with a feature that is `wanted` (chrom, start, end; 0-based, half-open), in
    the order of the file; raises RegionError at a row that is no GTF."""
    transcripts: dict[tuple[str, str], dict[str, list[tuple[int, int]]]] = {}
    about: dict[tuple[str, str], tuple[str, str]] = {}
    kept: set[tuple[str, str]] = set()
    for chrom, kind, start, end, strand, attributes in _rows(path):
        if kind not in ("gene", "transcript", "exon"):
            continue
        gene = chrom, attributes["gene_id"]
        if wanted(chrom, start, end):
            kept.add(gene)
        if gene not in about or "gene_name" in attributes:
            about[gene] = strand, attributes.get("gene_name", attributes["gene_id"])
        # Exons explain a transcript; without any the row itself stands for it.
        name = attributes.get("transcript_id", "") if kind == "exon" else f"\0{kind}"
        transcripts.setdefault(gene, {}).setdefault(name, []).append((start, end))
    found = []
    for gene in about:
        if gene in kept:
            exons = _longest(transcripts[gene])
            place = gene[0], exons[0][0], max(end for _, end in exons)
            found.append(Gene(*place, *about[gene], exons))
    return found


def _longest(transcripts: dict[str, list[tuple[int, int]]]) -> tuple[tuple[int, int], ...]:
    with_exons = {name: spans for name, spans in transcripts.items() if not name.startswith("\0")}
    if not with_exons:
        spans = [span for all_of_it in transcripts.values() for span in all_of_it]
        return ((min(start for start, _ in spans), max(end for _, end in spans)),)
    best = max(with_exons.values(), key=lambda spans: sum(end - start for start, end in spans))
    return tuple(sorted(best))


def check_genes(path: Path, chroms: Collection[str]) -> None:
    """Raise a RegionError unless the file begins as a GTF and has a gene on a chromosome of the
    genome; it is read as far as the first one."""
    seen: dict[str, None] = {}
    for chrom, *_ in _rows(path):
        if chrom in chroms:
            return
        seen[chrom] = None
    if not seen:
        raise RegionError("the GTF file has no rows", where=str(path), mend=_MEND)
    raise RegionError(
        f"none of its chromosomes ({', '.join(list(seen)[:5])}) is in the genome "
        f"({', '.join(list(chroms)[:5])})",
        where=str(path),
        mend="use the same chromosome names in both, or leave steps.report.genes out",
    )


def _rows(path: Path) -> Iterator[tuple[str, str, int, int, str, dict[str, str]]]:
    """Yield chrom, feature, start, end (0-based, half-open), strand and attributes."""
    with open_text(path, RegionError, mend=_MEND) as handle:
        for i, line in enumerate(handle, 1):
            if line.startswith("#") or not line.strip():
                continue
            cells = line.rstrip("\n").split("\t")
            where = f"{path}, line {i}"
            if len(cells) != 9:
                text = f"a row has {len(cells)} columns, and one of GTF has 9"
                raise RegionError(text, where=where, mend=_MEND)
            chrom, _, kind, start_1based, end, _, strand, _, text = cells
            if not (start_1based.isdecimal() and end.isdecimal()) or not (
                1 <= int(start_1based) <= int(end)
            ):
                fault = f"start {start_1based!r} and end {end!r} are no place (1-based)"
                raise RegionError(fault, where=where, mend=_MEND)
            attributes = dict(_ATTRIBUTE.findall(text))
            if "gene_id" not in attributes:
                raise RegionError("a row has no gene_id", where=where, mend=_MEND)
            yield chrom, kind, int(start_1based) - 1, int(end), strand, attributes


def nearest_genes(
    genes: Sequence[Gene], chrom: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return of each place (0-based) the name of the nearest gene, "" where its chromosome has
    none, and the bp to it, int64: 0 inside, below 0 upstream of the gene, above 0 downstream."""
    names, distance = np.full(len(at), "", dtype=object), np.zeros(len(at), dtype=np.int64)
    by_chrom: dict[str, list[Gene]] = {}
    for gene in sorted(genes, key=lambda gene: gene.start):
        by_chrom.setdefault(gene.chrom, []).append(gene)
    for name, own in by_chrom.items():
        rows = np.flatnonzero(chrom == name)
        start, ends = np.array([g.start for g in own]), np.array([g.end for g in own])
        right = np.searchsorted(start, at[rows], side="right")
        # Of the genes that begin to the left the one that reaches farthest is nearest.
        reach = np.maximum.accumulate(ends)
        farthest = np.maximum.accumulate(np.where(ends == reach, np.arange(len(own)), 0))
        for row, after in zip(rows.tolist(), right.tolist()):
            sides = []
            if after:
                left = own[farthest[after - 1]]
                sides.append((max(int(at[row]) - left.end + 1, 0), left, left.strand == "-"))
            if after < len(own):
                sides.append(
                    (own[after].start - int(at[row]), own[after], own[after].strand != "-")
                )
            bp, gene, upstream = min(sides, key=lambda side: side[0])
            names[row], distance[row] = gene.name, -bp if upstream else bp
    return names, distance


def bed12(gene: Gene) -> str:
    """Return a gene as a row of BED12, its exons as blocks."""
    sizes = ",".join(str(end - start) for start, end in gene.exons)
    starts = ",".join(str(start - gene.start) for start, _ in gene.exons)
    head = f"{gene.chrom}\t{gene.start}\t{gene.end}\t{gene.name}\t0\t{gene.strand}"
    return f"{head}\t{gene.end}\t{gene.end}\t0\t{len(gene.exons)}\t{sizes}\t{starts}\n"
