"""Tracks for a page that opens without a server: whole files, or what lies at chosen places.

Everything becomes a `data:` URI that igv.js reads. Source of the formats: the documentation of
igv.js 3.8 (tracks, reference genomes; of a FASTA that is not indexed, `>chrom:start-end @len=bp` is
a stretch of a chromosome, 1-based and inclusive).
"""

import base64
import bisect
import gzip
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyBigWig

from cisweep.bases import text_of
from cisweep.errors import ProductError
from cisweep.genome.bigwig import BigWig
from cisweep.genome.fasta import Genome
from cisweep.outputs.browser import HARMLESS
from cisweep.textfile import open_text

Place = tuple[str, int, int]
"""chrom, start, end: 0-based, half-open."""


class Places:
    """Stretches of the genome, those that overlap or touch joined, in the genome's order.

    lengths: chromosome -> bp, in the order of the genome; what lies beyond a chromosome is cut off.
    """

    def __init__(self, wanted: Sequence[Place], lengths: Mapping[str, int]):
        self._of: dict[str, list[tuple[int, int]]] = {}
        by_chrom: dict[str, list[tuple[int, int]]] = {}
        for chrom, start, end in wanted:
            by_chrom.setdefault(chrom, []).append((max(start, 0), min(end, lengths[chrom])))
        for chrom in lengths:
            joined: list[tuple[int, int]] = []
            for start, end in sorted(by_chrom.get(chrom, [])):
                if joined and start <= joined[-1][1]:
                    joined[-1] = joined[-1][0], max(end, joined[-1][1])
                else:
                    joined.append((start, end))
            if joined:
                self._of[chrom] = joined

    def __iter__(self) -> Iterator[Place]:
        for chrom, stretches in self._of.items():
            for start, end in stretches:
                yield chrom, start, end

    @property
    def bp(self) -> int:
        """Their length together."""
        return sum(end - start for _, start, end in self)

    def touch(self, chrom: str, start: int, end: int) -> bool:
        """Does a stretch share a base with one of them?"""
        stretches = self._of.get(chrom, [])
        i = bisect.bisect_right(stretches, (start, 1 << 62)) - 1
        near = stretches[max(i, 0) : i + 2]
        return any(low < end and start < high for low, high in near)


def uri(data: bytes, kind: str = "octet-stream") -> str:
    """Return bytes as a `data:` URI."""
    return f"data:application/{kind};base64,{base64.b64encode(data).decode()}"


def packed(text: str) -> str:
    """Return text as the URI of a gzip file, with the same bytes for the same text."""
    return uri(gzip.compress(text.encode(), mtime=0), "gzip")


def reference_uri(genome: Genome, places: Places | None, chroms: Sequence[str]) -> str:
    """Return the bases at the places, or of whole chromosomes, as a FASTA for igv.js."""
    stretches = places or [(chrom, 0, genome.lengths[chrom]) for chrom in chroms]
    records = [
        f">{chrom}:{start + 1}-{end} @len={genome.lengths[chrom]}\n"  # 1-based, inclusive
        f"{text_of(genome.tokens(chrom, start, end))}\n"
        for chrom, start, end in stretches
    ]
    return packed("".join(records))


def bigwig_uri(path: Path, places: Places | None) -> str:
    """Return a bigWig, or one of its values at the places (those that are not 0)."""
    if places is None:
        return uri(path.read_bytes())
    with TemporaryDirectory() as folder:
        out = Path(folder, "slices.bw")
        with BigWig(path) as source, pyBigWig.open(str(out), "w") as target:
            target.addHeader(list(source.chroms.items()), maxZooms=0)
            for chrom, start, end in places:
                if chrom in source.chroms:
                    _add(target, chrom, start, source.values(chrom, start, end))
        return uri(out.read_bytes())


def _add(target, chrom: str, start: int, values: np.ndarray) -> None:
    """Add the runs of equal values to a bigWig that is being written."""
    values = np.nan_to_num(values)
    edges = np.flatnonzero(np.diff(values, prepend=np.nan, append=np.nan))
    low, high = edges[:-1], edges[1:]
    kept = values[low] != 0
    low, high = low[kept], high[kept]
    if len(low):
        target.addEntries(
            [chrom] * len(low),
            (low + start).tolist(),
            ends=(high + start).tolist(),
            values=values[low].astype(float).tolist(),
        )


def rows_uri(path: Path, places: Places | None) -> str:
    """Return a BED or VCF (plain or gzipped), or its rows that touch one of the places.

    < and > become ‹ and ›, since igv.js shows names as HTML; of a VCF's header only the version and
    the heads of its columns are kept.
    """
    is_vcf = ".vcf" in path.suffixes
    with open_text(path, ProductError) as handle:
        rows = (r for r in handle if not r.startswith("##") or r.startswith("##fileformat"))
        if places is not None:
            rows = (r for r in rows if _is_at(r, places, is_vcf))
        return packed("".join(rows).translate(HARMLESS))


def _is_at(row: str, places: Places, is_vcf: bool) -> bool:
    if row.startswith(("#", "track", "browser")):
        return True
    chrom, second, third, fourth, *_ = [*row.rstrip("\n").split("\t"), "", ""]
    if is_vcf:
        start = int(second) - 1  # POS is 1-based
        return places.touch(chrom, start, start + len(fourth))
    return places.touch(chrom, int(second), int(third))
