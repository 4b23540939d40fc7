"""The words and shapes that all rooms share: windows, seeds, drop reasons, schema version.

Coordinates are 0-based half-open; strand is one of + - . (ARCHITECTURE.md, Words). A window's
identity is (chrom, start, end, strand), never its name or its row, so seeds and duplicates are
made from that alone.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

SCHEMA_VERSION = 1
"""Version of the layout of HDF5 products; readers refuse another one."""

TOKEN_N = 4
"""Token of N; 0 1 2 3 are A C G T."""

STRANDS = ("+", "-", ".")

FIGURE_COPIES = (".png", ".pdf", ".data.tsv")
"""What is written beside an SVG: copies for slides and papers, and the numbers that it shows."""

DROP_REASONS = (
    "unknown_chromosome",
    "excluded_chromosome",
    "off_chromosome_end",
    "blacklisted",
    "too_many_n",
    "duplicate",
)
"""Why a region has no window in the products; each dropped region has a row with one of these."""


@dataclass(frozen=True)
class Windows:
    """Windows of one length, as parallel arrays.

    chrom: (N,) str objects; start, end: (N,) int64, 0-based half-open, may lie beyond the
    chromosome under edge policy `pad`; strand: (N,) of + - .; name: (N,) the user's names or "".
    """

    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray
    strand: np.ndarray
    name: np.ndarray

    @classmethod
    def build(
        cls,
        chrom: Sequence[str] | np.ndarray,
        start: Sequence[int] | np.ndarray,
        end: Sequence[int] | np.ndarray,
        strand: Sequence[str] | np.ndarray | None = None,
        name: Sequence[str] | np.ndarray | None = None,
    ) -> Self:
        """Return windows from sequences; strand defaults to ".", name to ""."""
        n = len(start)
        return cls(
            np.asarray(chrom, dtype=object).reshape(n),
            np.asarray(start, dtype=np.int64).reshape(n),
            np.asarray(end, dtype=np.int64).reshape(n),
            np.asarray(["."] * n if strand is None else strand, dtype=object).reshape(n),
            np.asarray([""] * n if name is None else name, dtype=object).reshape(n),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of all parts, one after the other."""
        if not parts:
            return cls.build([], [], [])
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def __len__(self) -> int:
        return len(self.start)

    def take(self, index: np.ndarray | slice) -> Self:
        """Return the rows that `index` (positions, mask or slice) picks."""
        return type(self)(*(getattr(self, f.name)[index] for f in fields(self)))

    @property
    def centre(self) -> np.ndarray:
        """(N,) int64: start + W // 2, the base that decides the chunk and ownership in tracks."""
        return self.start + (self.end - self.start) // 2

    def keys(self) -> list[str]:
        """Return each window's identity, `chrom:start-end(strand)`."""
        return [
            f"{c}:{s}-{e}({d})" for c, s, e, d in zip(self.chrom, self.start, self.end, self.strand)
        ]

    def blocks(self, size: int) -> Iterator[slice]:
        """Yield slices of at most `size` rows."""
        for begin in range(0, len(self), size):
            yield slice(begin, min(begin + size, len(self)))


def seed_of(run_seed: int, step: str, identity: str, draw: int = 0) -> int:
    """Return the 64-bit seed of one draw for one window or sequence.

    It is a hash of (run seed, step, identity, draw) and nothing else: never of a position in a
    chunk or batch, so that chunking cannot change a result.
    """
    text = f"{run_seed}|{step}|{identity}|{draw}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def window_seeds(run_seed: int, step: str, windows: Windows, n: int) -> np.ndarray:
    """Return (N, n) uint64 seeds: draw k of window i."""
    keys = windows.keys()
    return np.array(
        [[seed_of(run_seed, step, key, k) for k in range(n)] for key in keys], dtype=np.uint64
    ).reshape(len(windows), n)


def digest(*parts: object) -> str:
    """Return a short stable hash (16 hex digits) of the repr of `parts`."""
    text = "\x1f".join(p if isinstance(p, str) else repr(p) for p in parts)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


# ---- names of targets and tracks in paths ----------------------------------------------------

_NOT_STORED = re.compile(r"\A[.-]|[^A-Za-z0-9_.-]")
_STRAND_ENDING = re.compile(r"\.(?=(?:plus|minus)\Z)")  # files of a track's strands end so
_STORED_CASE = re.compile(r"~~[0-9a-f]+")

STORED_NAME = r"(?:[A-Za-z0-9_]|~[0-9a-f~])(?:[A-Za-z0-9_.~-])*"
"""Regular expression of what `stored_name` and `file_names` give."""


def stored_name(name: str) -> str:
    """Return how a target or track, which may have any printable name, stands in paths within HDF5
    files and in names of columns: names of ASCII letters, digits, _ . - as they are.

    The bytes (UTF-8) of other letters become ~xx, their two hexadecimal digits; so does a . or - at
    the beginning, and the . of an ending that files of strands have. ~ has no meaning in URLs, file
    names, HDF5 and regular expressions. `name_of` gives the name again.
    """
    return _STRAND_ENDING.sub(_hexadecimal, _NOT_STORED.sub(_hexadecimal, name))


def _hexadecimal(found: re.Match[str]) -> str:
    return "".join(f"~{byte:02x}" for byte in found[0].encode())


def name_of(stored: str) -> str:
    """Return the name that `stored_name` or `file_names` made into this."""
    parts = _STORED_CASE.sub("", stored).split("~")
    later = b"".join(bytes([int(part[:2], 16)]) + part[2:].encode() for part in parts[1:])
    return (parts[0].encode() + later).decode()


def joined_names(names: Iterable[str]) -> str:
    """Return names as one text, joined by commas; a comma or ~ of a name becomes ~2c or ~7e."""
    return ",".join(re.sub("[,~]", _hexadecimal, name) for name in names)


def split_names(joined: str) -> list[str]:
    """Return the names that `joined_names` joined."""
    return [name_of(name) for name in joined.split(",")]


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Return name -> its part of file names, of which no two differ in case alone.

    It is `stored_name`; where another of the names differs in case alone, those with capital
    letters have ~~ and a hexadecimal number behind it, whose bits say which letters are capital.
    """
    stored = {name: stored_name(name) for name in names}
    folded: dict[str, int] = {}
    for each in stored.values():
        folded[each.lower()] = folded.get(each.lower(), 0) + 1
    return {
        name: each + _capitals(each) if folded[each.lower()] > 1 else each
        for name, each in stored.items()
    }


def split_strand(file_name: str) -> tuple[str, str]:
    """Return the name and the strand, plus, minus or "", of a file of a track's strand: the name
    of no target ends so (`stored_name`)."""
    name, _, end = file_name.rpartition(".")
    return (name, end) if end in ("plus", "minus") else (file_name, "")


def _capitals(stored: str) -> str:
    bits = sum(1 << i for i, letter in enumerate(stored) if letter.isupper())
    return f"~~{bits:x}" if bits else ""
