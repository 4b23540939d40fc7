"""The .fai index of a FASTA: its rows, and whether they are those of the file."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cisweep.errors import GenomeError
from cisweep.genome.bgzf import BgzipFile
from cisweep.textfile import control_letter, read_lines

_NUMBER = re.compile(r"[0-9]{1,15}")
_HEADER_BYTES = 1 << 16  # a longer header line is not followed to its start
_SHOWN = 3


@dataclass(frozen=True)
class FaiRow:
    """One line of a .fai: bases, byte offset, bases and bytes of a line (samtools faidx)."""

    length_bp: int
    offset: int
    line_bases: int
    line_bytes: int


def read_fai(fasta: Path) -> dict[str, FaiRow]:
    """Return the index rows of `fasta` in file order.

    Raises GenomeError if the FASTA or its index is missing, empty or broken.
    """
    if not fasta.is_file():
        raise GenomeError("no such FASTA file", where=str(fasta), mend="correct genome.fasta")
    if fasta.stat().st_size == 0:
        raise GenomeError("the FASTA is empty", where=str(fasta), mend="fetch the genome again")
    index = Path(f"{fasta}.fai")
    mend = f"samtools faidx {fasta}"
    if not index.is_file():
        raise GenomeError("the FASTA has no index", where=str(index), mend=mend)
    rows: dict[str, FaiRow] = {}
    for number, line in enumerate(read_lines(index, GenomeError, mend), 1):
        name, *parts = line.split("\t")
        fault = _row_fault(name, parts)
        if fault is None and name in rows:
            fault = f"names {name!r} a second time"
        if fault is not None:
            raise GenomeError(
                f"line {number} of the index {fault}: {line[:200]!r}", where=str(index), mend=mend
            )
        rows[name] = FaiRow(*map(int, parts[:4]))
    if not rows:
        raise GenomeError("the index is empty", where=str(index), mend=mend)
    return rows


def _row_fault(name: str, parts: list[str]) -> str | None:
    if not name or len(parts) < 4 or not all(map(_NUMBER.fullmatch, parts[:4])):
        return "is not name, length, offset, bases, bytes"
    if control_letter(name):
        return f"has the letter {control_letter(name)} in its name"
    length, _, bases, size = map(int, parts[:4])
    if length and not 0 < bases <= size:
        return f"has lines of {bases} bases and {size} bytes"
    return None


class _Bytes(Protocol):
    def read(self, start: int, end: int) -> bytes: ...


class _PlainFile:
    def __init__(self, path: Path):
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115

    def __enter__(self) -> "_PlainFile":
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._file.close()

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end), fewer where the file ends before."""
        self._file.seek(start)
        return self._file.read(end - start)


def check_index(fasta: Path, rows: dict[str, FaiRow], names: Iterable[str]) -> None:
    """Raise a GenomeError unless the rows of `names` lead to these sequences in the FASTA.

    Looked at are the header line before the row's offset, the end of its first line, and what
    follows its last base: a line end and the next header, or the end of the file. An index of a
    file of which bases were changed in place fits it still; one of other lengths does not.
    """
    with open(fasta, "rb") as handle:
        compressed = handle.read(2) == b"\x1f\x8b"
    with BgzipFile(fasta) if compressed else _PlainFile(fasta) as file:
        # In the order of the file, so that a block that holds several is inflated once.
        places = sorted((rows[name].offset, name) for name in names)
        found = ((name, _mismatch(file, name, rows[name])) for _, name in places)
        faults = [f"{name}: {fault}" for name, fault in found if fault is not None]
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise GenomeError(
            f"the index {fasta.name}.fai does not belong to the file ({'; '.join(faults[:_SHOWN])}"
            f"{more})",
            where=str(fasta),
            mend=f"rm {fasta}.fai{f' {fasta}.gzi' if compressed else ''}; samtools faidx {fasta}",
        )


def _mismatch(file: _Bytes, name: str, row: FaiRow) -> str | None:
    """Return what speaks against a row of the index, or None."""
    before = _line_before(file, row.offset, len(name.encode()))
    if (
        not before.endswith(b"\n")
        or before[:1] != b">"
        or before[1:].split()[:1] != [name.encode()]
    ):
        told = before[:40].decode("latin-1").rstrip()
        return f"before byte {row.offset} there is {told!r}, not its header line"
    if not row.length_bp:
        return None
    if row.length_bp > row.line_bases:
        ends = file.read(row.offset + row.line_bases - 1, row.offset + row.line_bytes)
        if ends[:1].isspace() or ends[1:] not in (b"\n", b"\r\n"):
            return f"its first line does not have {row.line_bases} bases"
    last = row.length_bp - 1
    end = row.offset + last // row.line_bases * row.line_bytes + last % row.line_bases
    tail = file.read(end, end + 16)
    if not tail or tail[:1].isspace() or tail[:1] == b">":
        return f"the file has fewer than its {row.length_bp} bases"
    rest = tail[1:].lstrip(b"\r\n")
    if tail[1:2] not in (b"", b"\n", b"\r") or (rest and not rest.startswith(b">")):
        return f"the file has more than its {row.length_bp} bases"
    return None


def _line_before(file: _Bytes, offset: int, n_bytes: int) -> bytes:
    """Return the line before `offset` with its end, or what stands there in place of one."""
    reach = n_bytes + 64
    while True:
        start = max(offset - reach, 0)
        text = file.read(start, offset)
        begin = text.rstrip(b"\r\n").rfind(b"\n") + 1
        if begin or start == 0 or reach > _HEADER_BYTES or not text.endswith(b"\n"):
            return text[begin:]
        reach *= 4
