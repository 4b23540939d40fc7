"""BED as bigBed, which genome browsers read by place instead of as a whole.

Source of the format: UCSC's bbiFile.h and help page on bigBed. pybigtools (0.3) writes all but the
file without rows, which it refuses.
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import pybigtools

from cisweep.errors import ProductError
from cisweep.outputs.tables import BED6

_COLUMNS = len(BED6)
_TEXT_AT = 64 + 10 * 24
"""Byte of the declaration: the header and room for ten zoom levels stand before it, as in files of
UCSC, which readers expect."""


def write_bigbed(path: Path, bed: Path, lengths: Mapping[str, int], about: str) -> None:
    """Write the rows of a BED6 (scores 0 to 1000) as bigBed, the same bytes for the same rows.

    lengths: chromosome -> bp; about: what a row is, for those who click on one. The rows of a
    chromosome stand together in the BED, by their start. Raises ProductError otherwise.
    """
    at = _chromosomes(bed)
    declared = _declaration(about)
    if at:
        # Readers look for a chromosome by halving, so names stand in the order of their bytes.
        rows = (row for chrom in sorted(at) for row in _rows(bed, chrom, at[chrom]))
        used = {chrom: lengths[chrom] for chrom in sorted(at)}
        pybigtools.open(str(path), "w").write(used, rows, declared)
    else:
        path.write_bytes(_empty(*min(lengths.items()), declared))


def _chromosomes(bed: Path) -> dict[str, int]:
    """Return chromosome -> byte at which its rows begin."""
    found: dict[str, int] = {}
    here, last, offset = "", 0, 0
    with open(bed, "rb") as handle:
        for number, line in enumerate(handle, 1):
            cells = line.rstrip(b"\n").split(b"\t")
            if len(cells) != _COLUMNS:
                raise _fault(bed, number, f"{len(cells)} columns, not {_COLUMNS}", "write BED6")
            chrom, start = cells[0].decode(), int(cells[1])
            if chrom != here and chrom in found or chrom == here and start < last:
                raise _fault(bed, number, "the rows are not in order", "sort them by place")
            found.setdefault(chrom, offset)
            here, last, offset = chrom, start, offset + len(line)
    return found


def _fault(bed: Path, number: int, what: str, mend: str) -> ProductError:
    return ProductError(what, where=f"{bed}, line {number}", mend=mend)


def _rows(bed: Path, chrom: str, offset: int) -> Iterator[tuple[str, int, int, str]]:
    with open(bed, "rb") as handle:
        handle.seek(offset)
        for line in handle:
            name, start, end, rest = line.decode().rstrip("\n").split("\t", 3)
            if name != chrom:
                return
            yield chrom, int(start), int(end), rest


def _declaration(about: str) -> str:
    """Return the columns as autoSql."""
    quoted = about.replace('"', "'").replace("\n", " ")
    return f"""table bed6
"{quoted}"
    (
    string chrom;      "Chromosome"
    uint   chromStart; "Start, 0-based"
    uint   chromEnd;   "End"
    string name;       "Name"
    uint   score;      "Score from 0 to 1000"
    char[1] strand;    "+, - or . for none"
    )
"""


def _empty(chrom: str, length: int, declared: str) -> bytes:
    """Return a bigBed without rows: a chromosome, no data, and an index of no items."""
    text, name = declared.encode() + b"\0", chrom.encode()
    summary = struct.pack("<Q4d", 0, 0, 0, 0, 0)
    chromosomes = struct.pack("<4I2Q", 0x78CA8C91, 1, len(name), 8, 1, 0)
    chromosomes += struct.pack("<BBH", 1, 0, 1) + name + struct.pack("<2I", 0, length)
    at_summary = _TEXT_AT + len(text)
    at_chromosomes = at_summary + len(summary)
    at_data = at_chromosomes + len(chromosomes)
    at_index = at_data + 8
    end = at_index + 48 + 4
    index = struct.pack("<2IQ4IQ2I", 0x2468ACE0, 256, 0, 0, 0, 0, 0, end, 1, 0)
    index += struct.pack("<BBH", 1, 0, 0)
    header = struct.pack(
        "<IHHQQQHHQQIQ", 0x8789F2EB, 4, 0, at_chromosomes, at_data, at_index, _COLUMNS, _COLUMNS,
        _TEXT_AT, at_summary, 0, 0,
    )  # fmt: skip
    before = header.ljust(_TEXT_AT, b"\0") + text + summary + chromosomes
    return before + struct.pack("<Q", 0) + index
