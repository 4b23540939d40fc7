"""The one place where a user's text file is opened: plain or gzip, with or without a mark."""

import gzip
import io
import re
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from cisweep.errors import CisweepError

_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]")
_GZIP = b"\x1f\x8b"


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


def read_lines(path: Path, error: type[CisweepError], mend: str | None = None) -> list[str]:
    """Return the lines of a text file without their ends; raises `error` as `open_text` does."""
    with open_text(path, error, mend=mend) as file:
        # splitlines would also end a line at \x0b, \x1c, \x85 and other letters of a name.
        lines = file.read().split("\n")
    return lines if lines[-1] else lines[:-1]


def control_letter(text: str) -> str | None:
    """Return the first control letter of a name (tab, line end, NUL) as Python writes it, or None.

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
    return stack.enter_context(io.BufferedReader(gzip.GzipFile(fileobj=raw)))
