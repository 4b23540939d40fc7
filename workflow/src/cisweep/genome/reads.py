"""5' ends of alignments (BAM) and of fragments, counted per base.

Memory depends on one chromosome at most (fragments) or on a stretch of it (BAM), never on how
many reads there are.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cisweep.errors import GenomeError
from cisweep.genome.naming import renaming
from cisweep.textfile import open_text

_BLOCK_BP = 4_000_000
_ROWS = 1_000_000
LOOKED_AT = 100_000
"""Rows of a file of fragments that are looked at before any job."""


@dataclass(frozen=True)
class EndCounting:
    """What is counted, and where.

    plus_shift_bp, minus_shift_bp: added to the coordinate of a 5' end on the plus strand (the
        first base of a read or fragment) and on the minus strand (the last base).
    min_mapq: reads of a BAM below this mapping quality are left out, as are unmapped, secondary,
        supplementary and duplicate ones and those that failed quality control.
    """

    plus_shift_bp: int = 0
    minus_shift_bp: int = 0
    min_mapq: int = 0


Ends = Iterator[tuple[str, int, np.ndarray]]
"""(chromosome, start, counts (2, bp) of the plus and the minus strand), in order, no overlap."""


def read_chromosomes(path: Path, lengths: dict[str, int]) -> dict[str, int]:
    """Return `lengths` in the order in which `count_ends` gives them."""
    if path.suffix == ".bam":
        return lengths
    found: dict[str, None] = {}
    for rows in _fragment_rows(path):
        found |= dict.fromkeys(rows["chrom"])
    return {c: lengths[c] for c in (*found, *lengths) if c in lengths}


def count_ends(path: Path, lengths: dict[str, int], counting: EndCounting = EndCounting()) -> Ends:
    """Return the numbers of 5' ends on each strand, stretch by stretch of each chromosome.

    A shifted end beyond its chromosome is left out. A fragment (chrom, start, end, …; 0-based
    half-open) has one end on each strand, whatever its count column says, as in ChromBPNet.

    Parameters
    ----------
    path: coordinate-sorted .bam with its index, or fragments (TSV or BED, plain or .gz) whose
        chromosomes are not mixed.
    lengths: chromosome -> bp of the genome; other chromosomes are left out.

    Raises
    ------
    GenomeError: no such file, no index, no shared chromosome, chromosomes mixed, a row that does
    not parse or leaves its chromosome.
    """
    if not path.is_file():
        raise GenomeError("no such file of reads", where=str(path))
    return (_bam_ends if path.suffix == ".bam" else _fragment_ends)(path, lengths, counting)


def check_bam(path: Path, lengths: dict[str, int]) -> None:
    """Raise GenomeError unless a BAM can be opened, has an index, and is of this genome."""
    with _opened_bam(path, lengths):
        pass


def check_fragments(path: Path, lengths: dict[str, int]) -> None:
    """Raise GenomeError unless the first LOOKED_AT rows of a file are fragments of this genome.

    A shorter file needs a chromosome of the genome too; of a longer one count_ends says it.
    """
    first = next(_fragment_rows(path, LOOKED_AT), None)
    if first is None or first.empty:
        raise GenomeError("has no fragment", where=str(path))
    for chrom, part in first.groupby("chrom", sort=False):
        if chrom in lengths:
            _check_fragments(path, part, lengths[chrom])
    if len(first) < LOOKED_AT:
        _check_chromosomes(path, dict.fromkeys(first["chrom"], 0), lengths)


@contextmanager
def _opened_bam(path: Path, lengths: dict[str, int]) -> Iterator[tuple[Any, dict[str, int]]]:
    """Yield an open BAM and its chromosomes; GenomeError where it, or a read of it, fails."""
    import pysam

    verbosity = pysam.set_verbosity(0)  # htslib would print what the errors say
    try:
        with pysam.AlignmentFile(str(path), "rb") as file:
            yield file, _check_header(file, path, lengths)
    except (OSError, ValueError) as error:
        if isinstance(error, GenomeError):
            raise
        raise GenomeError(f"not a readable BAM ({error})", where=str(path)) from None
    finally:
        pysam.set_verbosity(verbosity)


def _check_header(file, path: Path, lengths: dict[str, int]) -> dict[str, int]:
    """Return the chromosomes of an open BAM; GenomeError without an index or of another genome."""
    if not file.has_index():
        raise GenomeError(
            "the BAM has no index", where=str(path), mend=f"run: samtools index {path}"
        )
    known = dict(zip(file.references, file.lengths))
    _check_chromosomes(path, known, lengths)
    return known


def _bam_ends(path: Path, lengths: dict[str, int], counting: EndCounting) -> Ends:
    with _opened_bam(path, lengths) as (file, known):
        for chrom, length in lengths.items():
            if chrom not in known:
                continue
            for start in range(0, length, _BLOCK_BP):
                stop = min(start + _BLOCK_BP, length)
                yield chrom, start, _block_ends(file, (chrom, start, stop), counting)


def _block_ends(file, span: tuple[str, int, int], counting: EndCounting) -> np.ndarray:
    chrom, start, stop = span
    shifts = (counting.plus_shift_bp, counting.minus_shift_bp)
    margin = max(map(abs, shifts)) + 1
    ends: tuple[list[int], list[int]] = ([], [])
    # A read overlaps its own 5' end, so the block and a margin hold all reads that count.
    limit = file.get_reference_length(chrom)
    for read in file.fetch(chrom, max(min(start - margin, limit), 0), min(stop + margin, limit)):
        if (
            read.is_unmapped or read.is_secondary or read.is_supplementary or read.is_duplicate
            or read.is_qcfail or read.mapping_quality < counting.min_mapq
        ):  # fmt: skip
            continue
        minus = read.is_reverse
        ends[minus].append(read.reference_end - 1 if minus else read.reference_start)
    counts = np.zeros((2, stop - start), np.int64)
    for strand, (places, shift) in enumerate(zip(ends, shifts)):
        _add(counts[strand], np.asarray(places, np.int64) + shift - start)
    return counts


def _add(counts: np.ndarray, place: np.ndarray) -> None:
    inside = place[(place >= 0) & (place < len(counts))]
    counts += np.bincount(inside, minlength=len(counts))


def _fragment_ends(path: Path, lengths: dict[str, int], counting: EndCounting) -> Ends:
    seen: list[str] = []
    counts = np.zeros((2, 0), np.int64)
    for rows in _fragment_rows(path):
        for _, part in rows.groupby((rows["chrom"] != rows["chrom"].shift()).cumsum()):
            chrom = part["chrom"].iloc[0]
            if not seen or chrom != seen[-1]:
                if seen and seen[-1] in lengths:
                    yield seen[-1], 0, counts
                if chrom in seen:
                    raise GenomeError(
                        f"chromosome {chrom} stands in two separate parts of the file",
                        where=f"{path}, row {part.index[0] + 1}",
                        mend="sort it: sort -k1,1 -k2,2n",
                    )
                seen.append(chrom)
                counts = np.zeros((2, lengths.get(chrom, 0)), np.int64)
            if chrom in lengths:
                _check_fragments(path, part, lengths[chrom])
                _add(counts[0], part["start"].to_numpy() + counting.plus_shift_bp)
                _add(counts[1], part["end"].to_numpy() - 1 + counting.minus_shift_bp)
    if not seen:
        raise GenomeError("has no fragment", where=str(path))
    _check_chromosomes(path, dict.fromkeys(seen, 0), lengths)
    if seen[-1] in lengths:
        yield seen[-1], 0, counts


def _fragment_rows(path: Path, at_once: int | None = None) -> Iterator[pd.DataFrame]:
    """Yield (chrom, start, end) of the rows, numbered from 0, comments left out."""
    with open_text(path, GenomeError) as handle:
        comments = 0
        for line in handle:
            if not line.startswith("#"):
                break
            comments += 1
    try:
        with open_text(path, GenomeError) as handle:
            table = pd.read_csv(
                handle, sep="\t", header=None, usecols=[0, 1, 2], names=["chrom", "start", "end"],
                skiprows=comments, dtype={"chrom": str, "start": np.int64, "end": np.int64},
                chunksize=at_once or _ROWS,
            )  # fmt: skip
            for rows in table:
                rows.index += comments
                yield rows
    except GenomeError:
        raise
    except (ValueError, OverflowError, pd.errors.ParserError) as error:
        raise GenomeError(
            f"rows are not chrom, start, end ({error})",
            where=str(path),
            mend="give fragments as tab-separated chrom, start, end",
        ) from None


def _check_fragments(path: Path, part: pd.DataFrame, length: int) -> None:
    bad = (part["start"] < 0) | (part["start"] >= part["end"]) | (part["end"] > length)
    if bad.any():
        row = part[bad].iloc[0]
        raise GenomeError(
            f"fragment {row.chrom}:{row.start}-{row.end} leaves its chromosome of {length} bp",
            where=f"{path}, row {row.name + 1}",
            mend="use the genome that the reads were mapped to",
        )


def _check_chromosomes(path: Path, found: dict[str, int], lengths: dict[str, int]) -> None:
    if not set(found) & set(lengths):
        raise GenomeError(
            f"has no chromosome of the genome (it has {', '.join(list(found)[:5])} …)",
            where=str(path),
            mend=renaming(found, lengths) or "use the genome's names of chromosomes",
        )
    other = [c for c in found if c in lengths and found[c] not in (0, lengths[c])]
    if other:
        raise GenomeError(
            f"{other[0]} has {found[other[0]]} bp, and {lengths[other[0]]} in the genome",
            where=str(path),
            mend="use the genome that the reads were mapped to",
        )
