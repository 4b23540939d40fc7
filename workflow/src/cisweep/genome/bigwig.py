"""Values of bigWig files, read in Python alone, so that no damaged file can end the process.

libBigWig (0.3.29 of pyBigWig) trusts the numbers in a file: of an index, a list of chromosomes or a
block of values that are damaged it ends in a segmentation fault, reads beyond its buffers, or goes
on without end. Here every number is compared with the file before it is used, and what is read of
the index and the values never exceeds the file's own size. Source of the layout: Kent et al. 2010,
BigWig and BigBed, supplementary tables 5 to 14. Zoom levels are not read.
"""

import ctypes
import os
import struct
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cisweep.errors import GenomeError
from cisweep.kernels import kernel

MEND = "make the bigWig again, or compare its checksum with that of its source"
_BIGWIG, _BIGBED, _CHROM_TREE, _INDEX = 0x888FFC26, 0x8789F2EB, 0x78CA8C91, 0x2468ACE0
_HEADER = struct.Struct("<IHHQQQHHQQIQ")
_ZOOM = struct.Struct("<IIQQ")
_TREE_HEAD = struct.Struct("<IIIIQQ")
_INDEX_HEAD = struct.Struct("<IIQIIIIQII")
_NODE_HEAD = struct.Struct("<BBH")
_CHILD = np.dtype([(n, "<u4") for n in ("chrom", "start", "last", "end")] + [("at", "<u8")])
_LEAF = np.dtype([*_CHILD.descr, ("size", "<u8")])
_BLOCK_MAX_BYTES = 1 << 20  # 65,535 entries of 12 bytes, packed or not, and a header
_LOOKS = 10_000
_long = ctypes.c_int64
_fill = kernel("bigwig_fill", _long, [ctypes.c_char_p, *[_long] * 4, ctypes.c_void_p])


_BLOCK = "is damaged: a block of values is cut off, of no known kind, or has entries that overlap"


class _Damage(Exception):
    """What is wrong with a file, told by GenomeError."""


_FAULTS = (_Damage, OSError, zlib.error)


class _Node(NamedTuple):
    """A node of the index: its items' places as chrom << 32 | base, and where they point."""

    first: np.ndarray
    last: np.ndarray
    at: np.ndarray
    size: np.ndarray | None  # of blocks; None: `at` are nodes


class BigWig:
    """An open bigWig.

    chroms: name -> bp, in the order of the file's numbers.

    Raises
    ------
    GenomeError: from every method, naming the file: it is absent, of another format, cut off or
        damaged.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._nodes: dict[int, _Node] = {}
        self._index_bytes = 0
        self._last: tuple[tuple[int, int], bytes] = (-1, -1), b""
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.close = weakref.finalize(self, os.close, self._fd)
            self._size = os.fstat(self._fd).st_size
            tree = self._header()
            self._ids, self.chroms = self._chroms(tree)
        except _FAULTS as error:
            raise self._error(error) from None

    def __enter__(self) -> "BigWig":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def values(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Return (end − start,) float32, 0 at bases without an entry; an entry may be NaN.

        0 <= start <= end <= bp of the chromosome.
        """
        if not 0 <= start <= end <= self.chroms[chrom]:
            raise ValueError(f"{chrom}:{start}-{end} is not on the chromosome")
        out, number = np.zeros(end - start, np.float32), self._ids[chrom]
        place = out.ctypes.data
        try:
            for at, size in self._blocks(number << 32 | start, number << 32 | end):
                self._fill(at, size, number, start, end, place)
        except _FAULTS as error:
            raise self._error(error, f" at {chrom}:{start}-{end}") from None
        return out

    def has_value(self, chrom: str) -> bool:
        """Is there a number (no NaN) on the chromosome? Looks at its first 10,000 blocks."""
        end, number = self.chroms[chrom], self._ids[chrom]
        try:
            blocks = self._blocks(number << 32, number << 32 | end)
            for looks, (at, size) in enumerate(blocks):
                if self._fill(at, size, number, 0, end, None) or looks == _LOOKS:
                    return True
        except _FAULTS as error:
            raise self._error(error, f" on {chrom}") from None
        return False

    def check_index(self) -> None:
        """Raise GenomeError unless the whole index is sound and its blocks lie in the file."""
        try:
            for _ in self._blocks(0, (1 << 64) - 1):
                pass
        except _FAULTS as error:
            raise self._error(error) from None

    def _error(self, error: Exception, place: str = "") -> GenomeError:
        if isinstance(error, OSError):
            what = f"is not a readable bigWig ({error.strerror or error})"
        elif isinstance(error, zlib.error):
            what = f"is damaged: a block of values{place} cannot be unpacked ({error})"
        else:
            what = f"{error}{place and f' (found{place})'}"
        return GenomeError(what, where=str(self.path), mend=MEND)

    def _bytes(self, at: int, size: int) -> bytes:
        """Return bytes of the file, all of them."""
        if at + size > self._size or len(found := os.pread(self._fd, size, at)) != size:
            raise _Damage("is cut off or damaged: it points beyond its end")
        return found

    def _unpack(self, layout: struct.Struct, at: int) -> tuple:
        return layout.unpack(self._bytes(at, layout.size))

    # ---- tables ----------------------------------------------------------------------------------

    def _header(self) -> int:
        """Check the file's header; return where the list of chromosomes begins."""
        magic = os.pread(self._fd, 4, 0)
        if magic == _BIGBED.to_bytes(4, "little"):
            raise _Damage("is a bigBed, not a bigWig")
        if magic != _BIGWIG.to_bytes(4, "little"):
            raise _Damage("is not a readable bigWig (it does not begin like one)")
        _, version, n_zooms, tree, data, index, _, _, _, summary, buffer, _ = self._unpack(
            _HEADER, 0
        )
        zooms = _ZOOM.iter_unpack(self._bytes(_HEADER.size, n_zooms * _ZOOM.size))
        zooms = [place for zoom in zooms for place in zoom[2:]]
        if max(tree, data, index, summary, *zooms) >= self._size:
            raise _Damage("is cut off: its header points beyond its end")
        if not 1 <= version <= 4 or min(tree, data, index) < _HEADER.size:
            raise _Damage("has a damaged header")
        for place in (index, *zooms[1::2]):
            magic, *_, end, _, _ = self._unpack(_INDEX_HEAD, place)
            if magic != _INDEX or end > self._size:
                raise _Damage("is cut off or damaged: an index of its values does not fit the file")
        self._compressed, self._root = buffer > 0, index + _INDEX_HEAD.size
        return tree

    def _chroms(self, tree: int) -> tuple[dict[str, int], dict[str, int]]:
        """Return the chromosomes' numbers and their lengths (bp), by name."""
        magic, _, key_bytes, value_bytes, n_chroms, _ = self._unpack(_TREE_HEAD, tree)
        if magic != _CHROM_TREE or value_bytes != 8 or not 0 < key_bytes <= 1 << 16:
            raise _Damage("has a damaged list of chromosomes")
        if n_chroms * (key_bytes + 8) > self._size:
            raise _Damage("is cut off or damaged: its list of chromosomes is longer than the file")
        layout = {
            True: np.dtype([("name", f"S{key_bytes}"), ("id", "<u4"), ("bp", "<u4")]),
            False: np.dtype([("name", f"S{key_bytes}"), ("at", "<u8")]),
        }
        found: list[tuple[int, bytes, int]] = []
        places, seen, taken = [tree + _TREE_HEAD.size], set(), 0
        while places:
            at = places.pop()
            is_leaf, _, n = self._unpack(_NODE_HEAD, at)
            items = layout[bool(is_leaf)]
            taken += n * items.itemsize
            if at in seen or taken > self._size:
                raise _Damage("has a damaged list of chromosomes")
            seen.add(at)
            rows = np.frombuffer(self._bytes(at + _NODE_HEAD.size, n * items.itemsize), items)
            if is_leaf:
                found += zip(rows["id"].tolist(), rows["name"].tolist(), rows["bp"].tolist())
            else:
                places += rows["at"].tolist()
        return _numbered(found, n_chroms)

    # ---- index and values ------------------------------------------------------------------------

    def _node(self, at: int) -> _Node:
        """Return a node of the index; it is kept, as the next window often needs it again."""
        node = self._nodes.get(at)
        if node is None:
            is_leaf, _, n = self._unpack(_NODE_HEAD, at)
            layout = _LEAF if is_leaf else _CHILD
            self._index_bytes += n * layout.itemsize
            if self._index_bytes > self._size:
                raise _Damage("is damaged: its index is larger than the file")
            rows = np.frombuffer(self._bytes(at + _NODE_HEAD.size, n * layout.itemsize), layout)
            first = rows["chrom"].astype(np.uint64) << np.uint64(32) | rows["start"]
            last = rows["last"].astype(np.uint64) << np.uint64(32) | rows["end"]
            if (first[1:] < first[:-1]).any():
                raise _Damage("is damaged: its index is not in order")
            last = np.maximum.accumulate(last)
            size = rows["size"] if is_leaf else None
            if is_leaf and n:
                far = rows["at"].max() >= self._size or size.max() > _BLOCK_MAX_BYTES
                if far or (rows["at"] + size).max() > self._size:
                    raise _Damage("is cut off or damaged: its index points beyond its end")
            node = self._nodes[at] = _Node(first, last, rows["at"], size)
        return node

    def _blocks(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Yield (place in the file, bytes) of the blocks that overlap [low, high), each of
        chrom << 32 | base, in order."""
        first, last = np.uint64(low), np.uint64(high)
        places, seen, taken = [self._root], set(), 0
        while places:
            at = places.pop()
            if at in seen:
                raise _Damage("is damaged: its index points to the same block of the index twice")
            seen.add(at)
            node = self._node(at)
            rows = slice(node.last.searchsorted(first, "right"), node.first.searchsorted(last))
            if node.size is None:
                places += node.at[rows][::-1].tolist()
            else:
                for block, size in zip(node.at[rows].tolist(), node.size[rows].tolist()):
                    taken += size
                    if taken > self._size:
                        raise _Damage(
                            "is damaged: its index points to one block of values many times"
                        )
                    yield block, size

    def _fill(self, at: int, size: int, number: int, start: int, end: int, out: int | None) -> int:
        """Set out[b - start] to the value of each base b in [start, end) that has one in a block;
        return how many entries there are numbers (no NaN). out: address of float32, or None."""
        if self._last[0] != (at, size):
            block = self._bytes(at, size)
            if self._compressed:
                stream = zlib.decompressobj()
                block = stream.decompress(block, _BLOCK_MAX_BYTES)
                if not stream.eof:  # only there is zlib's checksum compared
                    raise _Damage(_BLOCK)
            self._last = (at, size), block  # the next window often lies in it too
        block = self._last[1]
        found = _fill(block, len(block), number, start, end, out)
        if found < 0:
            raise _Damage(_BLOCK)
        return found


def _numbered(
    found: list[tuple[int, bytes, int]], n_chroms: int
) -> tuple[dict[str, int], dict[str, int]]:
    """Return numbers and lengths by name of (number, name padded by zeros, bp)."""
    try:
        rows = [(i, name.split(b"\0")[0].decode(), bp) for i, name, bp in sorted(found)]
    except UnicodeDecodeError:
        raise _Damage("has a damaged list of chromosomes (a name is not text)") from None
    ids, lengths = {name: i for i, name, _ in rows}, {name: bp for _, name, bp in rows}
    if not len(rows) == n_chroms == len(ids) == len(set(ids.values())):
        raise _Damage("has a damaged list of chromosomes (some are missing or occur twice)")
    return ids, lengths
