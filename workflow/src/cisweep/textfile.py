"""The one place where a user's text file is opened: plain or gzip, with or without a mark."""

import csv
import gzip
import io
import math
import re
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from cisweep.errors import CisweepError

_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029\ufeff]")
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_GZIP = b"\x1f\x8b"
EXPANSION_MAX = 100
"""A compressed text may expand to this many times its size (coordinates and letters: 3 to 20) …"""
EXPANDED_MAX_BYTES = 64 << 20
"""… or to this many bytes, whichever is more."""


class _Bounded(gzip.GzipFile):
    """A compressed file that stops once it has given more than a text would."""

    def __init__(self, raw: BinaryIO, size: int):
        super().__init__(fileobj=raw)
        self._room = max(EXPANDED_MAX_BYTES, EXPANSION_MAX * size)

    def read(self, size: int | None = -1) -> bytes:
        """Return bytes as GzipFile does; raises OSError when they are too many."""
        all_of_it = size is None or size < 0
        found = super().read(self._room + 1 if all_of_it else size)
        self._room -= len(found)
        if self._room < 0:
            raise OSError(
                f"it expands to more than {EXPANSION_MAX} times its size and "
                f"{EXPANDED_MAX_BYTES >> 20} MB, more than such texts do; if the file is sound, "
                "decompress it first"
            )
        return found


@contextmanager
def open_text(
    path: Path, error: type[CisweepError], *, mend: str | None = None, newline: str | None = None
) -> Iterator[TextIO]:
    """Open UTF-8 text, plain or gzip (as its first bytes say), and leave out a byte-order mark.

    Programs such as Excel write that mark before the first letter. What fails while the file is
    open and is no CisweepError itself (it ends too early, is no UTF-8) becomes an `error`; UTF-16,
    which Excel calls Unicode text, is one that says so. newline: as in `open`.
    """
    try:
        with ExitStack() as stack:
            file = _bytes(path, stack)
            if file.peek(2)[:2] in (BOM_UTF16_LE, BOM_UTF16_BE):
                raise error(
                    "the text is UTF-16 (in Excel: Unicode text)",
                    where=str(path),
                    mend="save it as UTF-8 (in Excel: CSV UTF-8, or Text, tab delimited)",
                )
            yield stack.enter_context(io.TextIOWrapper(file, "utf-8-sig", newline=newline))
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as fault:
        mend = mend or "give UTF-8 text, plain or gzip"
        raise error(f"cannot be read ({fault})", where=str(path), mend=mend) from None


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open the bytes of a text, plain or gzip; OSError where they are more than a text's."""
    with ExitStack() as stack:
        yield _bytes(path, stack)


def n_lines(path: Path) -> int:
    """Return how many line ends a text has, plain or gzip, without decoding it; 0 of one that
    cannot be read, of which its reader tells why."""
    try:
        with open_bytes(path) as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except (OSError, EOFError, zlib.error):
        return 0


def read_lines(path: Path, error: type[CisweepError], mend: str | None = None) -> list[str]:
    """Return the lines of a text file without their ends; raises `error` as `open_text` does, and
    for a NUL, which no text has."""
    with open_text(path, error, mend=mend) as file:
        text = file.read()
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise error(
            "it is not text: it contains a NUL byte", where=f"{path}, line {line}", mend=mend
        )
    # splitlines would also end a line at \x0b, \x1c, \x85 and other letters of a name.
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def read_rows(
    path: Path, error: type[CisweepError], separator: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield number of line and cells of each row of a table that is not blank; cells may be quoted.

    Raises `error` as `read_lines` does, and for quotes that do not end.
    """
    # A sequence is a cell, and may be longer than the 131,072 letters that csv allows.
    csv.field_size_limit(1 << 30)
    # With their ends, so that a quoted cell over two lines keeps the end that it has.
    lines = (f"{line}\n" for line in read_lines(path, error))
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        yield from ((reader.line_num, cells) for cells in reader if cells)
    except csv.Error as fault:
        raise error(
            f"cannot be read as a table at line {reader.line_num} ({fault})",
            where=str(path),
            mend="write a quote inside a cell twice, and put the cell in quotes",
        ) from None


def whole_number(text: str) -> int | None:
    """Return the number that a cell is: digits 0 to 9, with a sign or not; None for other text.

    `int` takes 5_00 and digits of other scripts too, which other programs read otherwise.
    """
    return int(text) if _WHOLE.fullmatch(text.strip()) else None


def decimal_number(text: str) -> float | None:
    """Return the finite number that a cell is, in ASCII, or None for other text."""
    try:
        found = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def control_letter(text: str) -> str | None:
    """Return the first control letter of a name (tab, line end, NUL, byte-order mark) as Python
    writes it, or None.

    Products cannot hold a name with one: HDF5 ends a text at NUL, tables and BED at the others.
    """
    found = _CONTROL.search(text)
    return None if found is None else repr(found[0])


def has_mark(path: Path) -> bool:
    """Does the file, plain or gzip, begin with a byte-order mark of UTF-8 or UTF-16?"""
    with ExitStack() as stack:
        head = _bytes(path, stack).peek(3)[:3]
    return head == BOM_UTF8 or head[:2] in (BOM_UTF16_LE, BOM_UTF16_BE)


def _bytes(path: Path, stack: ExitStack) -> BinaryIO:
    """Open a file, and what is compressed in it, for as long as `stack` lasts."""
    raw = stack.enter_context(open(path, "rb"))  # noqa: SIM115
    if raw.peek(2)[:2] != _GZIP and path.suffix not in (".gz", ".bgz"):
        return raw
    size = path.stat().st_size
    return stack.enter_context(io.BufferedReader(_Bounded(raw, size)))
