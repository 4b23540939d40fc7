"""Sequences by coordinate: an indexed FASTA (plain or bgzip) or a set of named sequences.

Nothing is written here: a missing index stops with the samtools command that makes it. The process
that plans a run has made it before (genome/indexing.py).
"""

import mmap
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from cisweep.contracts import TOKEN_N, digest
from cisweep.errors import CisweepError, GenomeError
from cisweep.genome.fasta_index import check_index, read_fai
from cisweep.textfile import control_letter, decimal_number, read_lines, read_rows


def _token_table() -> bytes:
    table = bytearray([TOKEN_N]) * 256
    for token, letters in enumerate((b"Aa", b"Cc", b"Gg", b"Tt")):
        for letter in letters:
            table[letter] = token
    return bytes(table)


TOKEN_TABLE = _token_table()
"""Token of each byte; what is no base is N."""
IUPAC = b"ACGTRYSWKMBDHVNacgtryswkmbdhvn"
"""Letters of DNA: bases, and those that stand for several."""


def tokens_of_text(text: bytes | str, without: bytes = b"") -> np.ndarray:
    """Return (L,) uint8 tokens of a sequence: 0-3 = A C G T in either case, 4 = anything else.

    Soft-masked (lower case) bases count as bases, IUPAC ambiguity letters as N. Bytes in `without`
    (line ends) are left out.
    """
    raw = text.encode("ascii", "replace") if isinstance(text, str) else text
    # One pass of the interpreter's own look-up, into a bytearray so that the array is writable.
    return np.frombuffer(bytearray(raw).translate(TOKEN_TABLE, without), np.uint8)


class SequenceSource(Protocol):
    """What regions are cut from: a genome or a set of sequences."""

    lengths: dict[str, int]

    @property
    def read_bp(self) -> int:
        """How many bases take as long as one read by itself, about."""
        ...

    def tokens(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Return (end - start,) uint8 tokens; positions beyond the sequence are N."""
        ...


class Genome:
    """An indexed FASTA, plain (read by memory map) or bgzip (read through pyfaidx).

    lengths: chromosome -> length in bp, in .fai order. The index of a chromosome is compared with
    the file (`check`) before its first bases are read.
    """

    def __init__(self, fasta: str | Path):
        self.path = Path(fasta)
        self._rows = read_fai(self.path)
        self.lengths = {name: row.length_bp for name, row in self._rows.items()}
        self._checked: set[str] = set()
        with open(self.path, "rb") as handle:
            self._compressed = handle.read(2) == b"\x1f\x8b"
        if self._compressed and not Path(f"{self.path}.gzi").is_file():
            raise GenomeError(
                "the compressed FASTA has no .gzi index",
                where=f"{self.path}.gzi",
                mend=f"compress it with bgzip (not gzip), then samtools faidx {self.path}",
            )

    def check(self, names: Iterable[str]) -> None:
        """Raise a GenomeError unless the index leads to these chromosomes in the file."""
        names = set(names) - self._checked
        check_index(self.path, self._rows, names)
        self._checked |= names

    @property
    def read_bp(self) -> int:
        """How many bases take as long as one read by itself, about: of bgzip, those of a block."""
        return 1 << 16 if self._compressed else 1 << 11

    @property
    def identity(self) -> str:
        """Hash of the chromosomes' names and lengths and of the file's size."""
        return digest(self.lengths, self.path.stat().st_size)

    @cached_property
    def _map(self) -> mmap.mmap:
        with open(self.path, "rb") as handle:
            return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)

    @cached_property
    def _fasta(self):
        import pyfaidx

        return pyfaidx.Fasta(str(self.path), as_raw=True, rebuild=False, build_index=False)

    def tokens(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Return (end - start,) uint8 tokens of chrom:start-end, N beyond the chromosome."""
        if chrom not in self._rows:
            raise GenomeError(f"no chromosome {chrom!r}", where=str(self.path))
        if chrom not in self._checked:
            self.check([chrom])
        low, high = max(start, 0), min(end, self.lengths[chrom])
        try:
            found = self._read(chrom, low, high) if low < high else np.empty(0, np.uint8)
        except Exception as error:  # pyfaidx and zlib have many for a file that is not as indexed
            raise GenomeError(
                f"{chrom}:{low}-{high} cannot be read ({type(error).__name__}: {error})",
                where=str(self.path),
                mend=f"compare its checksum, compress it with bgzip, samtools faidx {self.path}",
            ) from None
        if len(found) != max(high - low, 0):
            raise GenomeError(
                f"{chrom}:{low}-{high} gave {len(found)} of {high - low} bases; the index does "
                "not fit the file",
                where=str(self.path),
                mend=f"samtools faidx {self.path}",
            )
        if len(found) == end - start:
            return found
        out = np.full(end - start, TOKEN_N, dtype=np.uint8)
        if low < high:
            out[low - start : high - start] = found
        return out

    def _read(self, chrom: str, low: int, high: int) -> np.ndarray:
        if self._compressed:
            return tokens_of_text(str(self._fasta[chrom][low:high]))
        row = self._rows[chrom]
        bases, size = row.line_bases, row.line_bytes
        last = high - 1
        first_byte = row.offset + low // bases * size + low % bases
        end_byte = row.offset + last // bases * size + last % bases + 1
        return tokens_of_text(self._map[first_byte:end_byte], without=b"\r\n")


def load_fasta(path: str | Path) -> Genome:
    """Return the genome of an indexed FASTA: its `lengths`, and `tokens(chrom, start, end)`.

    Raises GenomeError if the file or its index (.fai, and .gzi for bgzip) is missing or broken.
    """
    return Genome(path)


class NamedSequences:
    """Sequences from memory, by name; the other source beside Genome.

    columns: further columns of their table, one text a sequence, in the order of `tokens`.
    """

    read_bp = 0

    def __init__(self, tokens: dict[str, np.ndarray], columns: dict[str, list[str]] | None = None):
        self._tokens = tokens
        self._columns = columns or {}
        self._numbers: dict[str, dict[str, np.float32]] = {}
        self.lengths = {name: len(t) for name, t in tokens.items()}

    @property
    def identity(self) -> str:
        """Hash of names and letters."""
        return digest({n: digest(t.tobytes().hex()) for n, t in self._tokens.items()})

    def tokens(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Return (end - start,) uint8 tokens of sequence `chrom`, N beyond its ends."""
        out = np.full(end - start, TOKEN_N, dtype=np.uint8)
        low, high = max(start, 0), min(end, self.lengths[chrom])
        if low < high:
            out[low - start : high - start] = self._tokens[chrom][low:high]
        return out

    def column(self, name: str) -> dict[str, np.float32]:
        """Return sequence -> its number in a column of the table; GenomeError if it has none."""
        if name not in self._numbers:
            self._numbers[name] = self._parsed(name)
        return self._numbers[name]

    def _parsed(self, name: str) -> dict[str, np.float32]:
        if name not in self._columns:
            raise GenomeError(
                f"the table of sequences has no column {name!r}",
                where="sequences",
                mend=f"it has {', '.join(self._columns) or 'no columns beside the sequences'}",
            )
        found = {}
        for sequence, text in zip(self._tokens, self._columns[name]):
            value = decimal_number(text)
            if value is None:
                raise GenomeError(
                    f"{text!r} of sequence {sequence} is not a number", where=f"sequences, {name}"
                )
            found[sequence] = np.float32(value)
        return found


def window_tokens(source: SequenceSource, chrom: np.ndarray, start: np.ndarray, end: np.ndarray):
    """Return (N, W) uint8 tokens of windows of one length, in + orientation.

    Runs of nearby windows are read at once and sliced, so a tiled chunk costs one read.
    """
    n = len(start)
    width = int(end[0] - start[0]) if n else 0
    out = np.empty((n, width), dtype=np.uint8)
    begin = 0
    while begin < n:
        stop = begin + 1
        low, high = int(start[begin]), int(end[begin])
        while (
            stop < n
            and chrom[stop] == chrom[begin]
            and start[stop] >= low
            and start[stop] <= high + width
            and end[stop] - low <= 8_000_000
        ):
            high = max(high, int(end[stop]))
            stop += 1
        stretch = source.tokens(chrom[begin], low, high)
        offsets = np.asarray(start[begin:stop] - low)
        out[begin:stop] = np.lib.stride_tricks.sliding_window_view(stretch, width)[offsets]
        begin = stop
    return out


def read_sequences(path: Path) -> tuple[NamedSequences, list[str]]:
    """Return the sequences of a FASTA file or of a table (columns name, sequence) and their names.

    Raises GenomeError for a missing or empty file, a missing or repeated column, a row of another
    length than the header, a missing or repeated name, a letter that is none of IUPAC's.
    """
    if not path.is_file():
        raise GenomeError("no such file", where=str(path), mend="correct `sequences`")
    lines = read_lines(path, GenomeError)
    columns: dict[str, list[str]] = {}
    if next((line for line in lines if line.strip()), "").lstrip().startswith(">"):
        records = fasta_records(lines, path, GenomeError)
        pairs = [(header_name(header), sequence) for header, sequence in records]
    else:
        pairs, columns = _table_pairs(lines, path)
    if not pairs:
        raise GenomeError("no sequence in the file", where=str(path))
    for number, (name, sequence) in enumerate(pairs, 1):
        if fault := name_fault(name) or letter_fault(sequence):
            raise GenomeError(f"sequence {number} ({name!r}) {fault[0]}", where=str(path),
                              mend=fault[1])  # fmt: skip
    names = [name for name, _ in pairs]
    twice = next((n for n, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise GenomeError(f"sequence name {twice!r} occurs twice", where=str(path))
    return NamedSequences({name: tokens_of_text(seq) for name, seq in pairs}, columns), names


def name_fault(name: str) -> tuple[str, str] | None:
    """Return what is wrong with a sequence's name and how to mend it, or None."""
    if not name:
        return "has no name", "give each sequence a different name"
    letter = control_letter(name)
    return letter and (f"has the letter {letter} in its name", "take it out")


def letter_fault(sequence: str) -> tuple[str, str] | None:
    """Return what is wrong with the letters of a sequence and how to mend it, or None.

    Letters of nucleotides are A C G T, N and the other IUPAC letters, in either case.
    """
    # A letter beyond ASCII becomes ?, at its place.
    raw = sequence.encode("ascii", "replace")
    foreign = raw.translate(None, IUPAC)
    if not foreign:
        return None
    place = raw.index(foreign[:1])
    mend = "use A C G T N or the IUPAC letters R Y S W K M B D H V, in either case"
    if sequence[place] in "Uu":
        mend = "write T for U"
    elif sequence[place] in "-. ":
        mend = "take gaps out, or write N"
    return f"has the letter {sequence[place]!r} at position {place} (0-based)", mend


def fasta_records(
    lines: Iterable[str], path: Path, error: type[CisweepError]
) -> Iterator[tuple[str, str]]:
    """Yield (header without its >, letters) of each record of a FASTA, one record in memory.

    lines: of the file at `path`, from `open_text`, which says what cannot be read. What is read in
    parts, by an index, is `Genome`'s. (pysam's reader takes what is no FASTA for the end of the
    file, and tells no line.) Raises `error` for text before the first >.
    """
    header: str | None = None
    parts: list[str] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith(">") and (header is None or line.startswith(">")):
            if header is not None:
                yield header, "".join(parts)
            header, parts = text[1:], []
        elif header is not None:
            parts.append(text)
        elif text:
            raise error("a FASTA file begins with >", where=f"{path}, line {number}")
    if header is not None:
        yield header, "".join(parts)


def header_name(header: str) -> str:
    """Return the name in a FASTA's header, its first word; "" where there is none."""
    return (header.split() or [""])[0]


def _table_pairs(
    lines: list[str], path: Path
) -> tuple[list[tuple[str, str]], dict[str, list[str]]]:
    """Return (name, sequence) of each row, and the further columns."""
    first = lines[0] if lines else ""
    rows = read_rows(path, GenomeError, "," if "," in first and "\t" not in first else "\t")
    _, header = next(rows, (1, []))
    if "sequence" not in header:
        raise GenomeError(
            f"a table of sequences needs the columns name and sequence; found {header}",
            where=str(path),
        )
    twice = next((n for n, count in Counter(header).items() if count > 1), None)
    if twice is not None or any(map(control_letter, header)):
        what = f"stand twice: {twice}" if twice is not None else f"hold control letters: {header}"
        raise GenomeError(f"names of columns {what}", where=str(path), mend="correct the header")
    found = []
    for line, row in rows:
        if len(row) != len(header):
            raise GenomeError(
                f"{len(row)} fields, and the header has {len(header)}", where=f"{path}, line {line}"
            )
        found.append(row)
    columns = dict(zip(header, map(list, zip(*found))))
    sequences = [text.strip() for text in columns.pop("sequence", [])]
    names = columns.pop("name", [f"sequence_{i}" for i in range(len(found))])
    return list(zip([name.strip() for name in names], sequences)), columns


def word_counts(
    source: SequenceSource, block_bp: int = 8_000_000
) -> tuple[list[int], dict[str, int]]:
    """Return how often A, C, G, T and N occur in all sequences, and each of the 16 dinucleotides.

    One block is held at a time. A dinucleotide lies within one sequence and has no N.
    """
    bases, pairs = np.zeros(5, dtype=np.int64), np.zeros(25, dtype=np.int64)
    for name, length in source.lengths.items():
        for start in range(0, length, block_bp):
            # One base more than the block, so that the pair over its end is counted.
            tokens = source.tokens(name, start, min(start + block_bp + 1, length))
            bases += np.bincount(tokens[:block_bp], minlength=5)
            pairs += np.bincount(5 * tokens[:-1] + tokens[1:], minlength=25)
    words = {
        a + b: int(pairs[5 * i + j]) for i, a in enumerate("ACGT") for j, b in enumerate("ACGT")
    }
    return bases.tolist(), words
