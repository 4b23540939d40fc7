"""The columns of a plain BED, read block by block into arrays.

This reads the files that callers of peaks write, at a fraction of the cost of lines and fields:
tabs between the columns, ASCII, numbers of plain digits. Of any other file, faulty ones above all,
it says nothing: genome/regions.py then reads it line by line and tells what is wrong, and where.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.textfile import open_bytes

BLOCK_BYTES = 1 << 19
_PLAIN = bytes([9, 10, *range(32, 127)])
_TAB, _LINE_END, _SPACE = b"\t\n "
_DIGITS_MAX = 15
_LINE_MAX = 1 << 16
_NAME_MAX = 64  # letters of a chromosome's name
_STRANDS = np.full(256, ".", dtype=object)
_STRANDS[ord("+")], _STRANDS[ord("-")] = "+", "-"
_NO_REGIONS = (b"#", b"track", b"browser")


class Texts:
    """Texts of many rows in one piece of memory, decoded for the rows that are asked for.

    Indexed as an array of str objects is: a number gives a text, anything else an array of them.
    """

    def __init__(self, packed: bytes | bytearray, ends: np.ndarray):
        """Each text is followed by one byte; ends: (N,) int64, the positions behind that byte."""
        self._packed, self._ends = packed, ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index):
        if isinstance(index, int | np.integer):
            return self[[index]][0]
        rows = np.arange(len(self))[index]
        begins = np.where(rows > 0, self._ends[rows - 1], 0)
        found = np.empty(len(rows), dtype=object)
        found[:] = [
            self._packed[begin : end - 1].decode()
            for begin, end in zip(begins.tolist(), self._ends[rows].tolist())
        ]
        return found

    def tolist(self) -> list[str]:
        """Return all texts."""
        return self[:].tolist()


@dataclass(frozen=True)
class BedColumns:
    """Columns of a BED, one row a region: chrom and strand (+ - .) str objects; start, end, line
    (1-based) and summit (relative to start, if asked for) int64; name."""

    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray
    strand: np.ndarray
    name: Texts
    line: np.ndarray
    summit: np.ndarray | None


def plain_columns(path: Path, summits: bool, comments: bool = True) -> BedColumns | None:
    """Return the columns of a plain BED with at least one row; None for any other file.

    summits: is column 10 the summit? comments: may lines be left out, those that begin with #,
    track or browser? (No chromosome of a user's file begins so, but one of a product may.)
    """
    try:
        with open_bytes(path) as file:
            found = _Reader(summits, comments).read(_blocks(file))
    except (_NotPlainError, OSError, EOFError, zlib.error):
        return None
    return found


class _NotPlainError(Exception):
    pass


def _blocks(file) -> Iterator[bytes]:
    """Yield whole lines, BLOCK_BYTES or a few more at once."""
    rest = b""
    while block := file.read(BLOCK_BYTES):
        head, end, tail = block.rpartition(b"\n")
        if end:
            yield rest + head + end
            rest = tail
        else:
            rest += block
        if len(rest) > _LINE_MAX:
            raise _NotPlainError
    if rest:
        yield rest + b"\n"


class _Reader:
    """Collects columns in pieces of memory that grow, since parts to be joined would be held twice.

    Each has the code of a chromosome, the letter of a strand, the length of a name.
    """

    def __init__(self, summits: bool, comments: bool):
        self._summits = summits
        self._left_out = _NO_REGIONS if comments else ()
        self._codes: dict[bytes, int] = {}
        self._n_lines = 0
        self._packed = bytearray()
        self._columns = {
            "chrom": (np.int32, bytearray()),
            "start": (np.int64, bytearray()),
            "end": (np.int64, bytearray()),
            "strand": (np.uint8, bytearray()),
            "line": (np.int32, bytearray()),
            "name": (np.int32, bytearray()),
            "summit": (np.int64, bytearray()),
        }

    def read(self, blocks: Iterator[bytes]) -> BedColumns:
        for text in blocks:
            self._read_block(text)
        if not self._codes:
            raise _NotPlainError
        found = {name: np.frombuffer(data, dtype) for name, (dtype, data) in self._columns.items()}
        chroms = np.array([name.decode() for name in self._codes], dtype=object)
        return BedColumns(
            chrom=chroms[found["chrom"]],
            start=found["start"],
            end=found["end"],
            strand=_STRANDS[found["strand"]],
            name=Texts(self._packed, np.cumsum(found["name"], dtype=np.int64)),
            line=found["line"],
            summit=found["summit"] if self._summits else None,
        )

    def _read_block(self, text: bytes) -> None:
        if text.translate(None, _PLAIN):
            raise _NotPlainError
        rows = _Rows(text, self._left_out)
        line = rows.line + self._n_lines
        self._n_lines += rows.n_lines
        if not len(line):
            return
        start, end = rows.numbers(1), rows.numbers(2)
        if (end <= start).any():
            raise _NotPlainError
        packed, length = rows.names()
        self._packed += packed
        found = {
            "chrom": self._chroms(rows),
            "start": start,
            "end": end,
            "strand": rows.strands(),
            "line": line,
            "name": length,
            "summit": rows.numbers(9) if self._summits else line[:0],
        }
        for name, values in found.items():
            dtype, data = self._columns[name]
            data += values.astype(dtype).tobytes()

    def _chroms(self, rows: "_Rows") -> np.ndarray:
        """Return the codes of chromosomes, in order of their first appearance in the file."""
        code, first = rows.chroms()
        lows, highs = rows.field(0)
        found = [rows.text[lows[i] : highs[i]] for i in first]
        own = [self._codes.setdefault(name, len(self._codes)) for name in found]
        return np.array(own, dtype=np.int32)[code]


class _Rows:
    """The regions among some lines of text: where their fields lie in it."""

    def __init__(self, text: bytes, left_out: tuple[bytes, ...]):
        self.text, self._letters = text, np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(self._letters == _LINE_END)
        begins = np.concatenate([[0], ends[:-1] + 1])
        if np.isin(self._letters[begins], [_TAB, _LINE_END, _SPACE]).any():
            raise _NotPlainError
        is_region = np.ones(len(begins), dtype=bool)
        for word in left_out:
            is_region &= ~self._begin_with(begins, word)
        self.n_lines, self.line = len(ends), 1 + np.flatnonzero(is_region)
        self._begins, self._ends = begins[is_region], ends[is_region]
        tabs = np.flatnonzero(self._letters == _TAB)
        first = np.searchsorted(tabs, self._begins)
        counts = np.searchsorted(tabs, self._ends) - first
        n = int(counts[0]) if len(counts) else 2
        if n < 2 or (counts != n).any():
            raise _NotPlainError
        self._tabs = tabs[first[:, None] + np.arange(n)]

    def _begin_with(self, begins: np.ndarray, word: bytes) -> np.ndarray:
        found, last = np.ones(len(begins), dtype=bool), len(self._letters) - 1
        for i, letter in enumerate(word):
            found &= self._letters[np.minimum(begins + i, last)] == letter
            if not found.any():
                break
        return found

    def field(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions [low, high) of a column's fields."""
        n = self._tabs.shape[1]
        low = self._begins if column == 0 else self._tabs[:, column - 1] + 1
        return low, self._ends if column == n else self._tabs[:, column]

    def numbers(self, column: int) -> np.ndarray:
        """Return (N,) int64 of a column of plain digits."""
        if column > self._tabs.shape[1]:
            raise _NotPlainError
        low, high = self.field(column)
        width = high - low
        if width.min() < 1 or width.max() > _DIGITS_MAX:
            raise _NotPlainError
        found, unit = np.zeros(len(low), dtype=np.int64), 1
        for i in range(int(width.max())):
            digit = self._letters[np.maximum(high - 1 - i, low)] - np.uint8(ord("0"))
            if (digit > 9).any():
                raise _NotPlainError
            digit[i >= width] = 0
            found += unit * digit.astype(np.int64)
            unit *= 10
        return found

    def strands(self) -> np.ndarray:
        """Return (N,) letters + - . * of column 6, . where there is none."""
        if self._tabs.shape[1] < 5:
            return np.full(len(self._begins), ord("."), dtype=np.uint8)
        low, high = self.field(5)
        letter = self._letters[low]
        if (high - low != 1).any() or not np.isin(letter, list(b"+-.*")).all():
            raise _NotPlainError
        return letter

    def names(self) -> tuple[bytes, np.ndarray]:
        """Return the texts of column 4, each with a byte behind it, and their lengths with it."""
        n = len(self._begins)
        if self._tabs.shape[1] < 3:
            return b"\n" * n, np.ones(n, dtype=np.int64)
        low, high = self.field(3)
        step = np.zeros(len(self._letters) + 1, dtype=np.int8)
        step[low], step[high + 1] = 1, -1
        inside = np.cumsum(step[:-1], dtype=np.int8).view(bool)
        return self._letters[inside].tobytes(), high + 1 - low

    def chroms(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (N,) codes of the chromosomes, in order of appearance, and the first row of
        each."""
        low, high = self.field(0)
        width = int((high - low).max())
        if width > _NAME_MAX:
            raise _NotPlainError
        code = np.zeros(len(low), dtype=np.int64)
        last = len(self._letters) - 1
        for begin in range(0, width, 8):
            at = low[:, None] + np.arange(begin, begin + 8)
            letters = np.where(at < high[:, None], self._letters[np.minimum(at, last)], 0)
            eight, words = pd.factorize(letters.astype(np.uint8).view(np.uint64).ravel())
            code = pd.factorize(code * len(words) + eight)[0]
        new = np.maximum.accumulate(code)
        return code, np.flatnonzero(np.diff(new, prepend=-1))
