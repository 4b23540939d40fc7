"""The words and shapes that all rooms share: windows, seeds, drop reasons, schema version.

Coordinates are 0-based half-open; strand is one of + - . (ARCHITECTURE.md, Words). A window's
identity is (chrom, start, end, strand), never its name or its row, so seeds and duplicates are
made from that alone.
"""

import hashlib
from collections.abc import Iterator, Sequence
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
