"""Random access to a bgzip file by its .gzi index.

Layout: blocks of gzip, each of at most 64 kB, whose extra field BC holds the size of the block less
one (SAM specification, section 4.1); the .gzi is a count and pairs of (compressed, uncompressed)
offsets of all blocks but the first, little-endian uint64 (htslib, bgzf.c).
"""

import struct
import zlib
from bisect import bisect_right
from functools import lru_cache
from pathlib import Path

import numpy as np

from cisweep.errors import GenomeError

_HEADER = 18  # bytes of a block before its data, with the one extra field that bgzip writes


class _Block:
    """The text of one block of gzip, inflated as far as it is asked for.

    Inflating is what random access costs. The checksum is compared once the whole text was asked
    for. size: bytes of the text, as the block's end says.
    """

    def __init__(self, data: bytes):
        self._inflate = zlib.decompressobj(wbits=-15)
        self._packed = data[:-8]
        self._crc, self.size = struct.unpack("<II", data[-8:])
        self._text = b""

    def start(self, n_bytes: int) -> bytes:
        """Return the first bytes of the text, at least n_bytes or all; raises zlib.error."""
        if len(self._text) < min(n_bytes, self.size):
            wanted = min(n_bytes, self.size)
            self._text += self._inflate.decompress(self._packed, wanted - len(self._text))
            self._packed = self._inflate.unconsumed_tail
            if len(self._text) < wanted:
                raise zlib.error("it is shorter than its header says")
            if len(self._text) == self.size and zlib.crc32(self._text) != self._crc:
                raise zlib.error("checksum")
        return self._text


class BgzipFile:
    """The uncompressed bytes of a bgzip file; blocks read last are kept.

    Raises GenomeError if the .gzi is none or does not fit the file, or the file is no bgzip.
    """

    def __init__(self, path: Path):
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115
        self._size = path.stat().st_size
        self._at, self._starts = self._read_index(Path(f"{path}.gzi"))
        self._blocks = lru_cache(maxsize=4)(self._read_blocks)

    def __enter__(self) -> "BgzipFile":
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._file.close()

    def _fault(self, what: str) -> GenomeError:
        return GenomeError(
            what,
            where=str(self.path),
            mend=f"compress the FASTA with bgzip (not gzip), then samtools faidx {self.path}",
        )

    def _read_index(self, index: Path) -> tuple[np.ndarray, np.ndarray]:
        """Return the offsets of all blocks in the file and in the text."""
        raw = index.read_bytes()
        n = int.from_bytes(raw[:8], "little")
        if len(raw) < 8 or len(raw) != 8 + 16 * n:
            raise self._fault(f"its index {index.name} is no .gzi of {n} blocks")
        pairs = np.frombuffer(raw, "<u8", offset=8).reshape(n, 2)
        pairs = np.concatenate([np.zeros((1, 2), np.uint64), pairs])
        if (pairs[1:] <= pairs[:-1]).any() or int(pairs[-1, 0]) >= self._size:
            raise self._fault(f"its index {index.name} belongs to another file")
        return pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)

    def _read_blocks(self, index: int) -> list[_Block]:
        """Return the blocks from an indexed one to where the index says that the next one starts.

        bgzip indexes every block; an index of fewer gives more than one here.
        """
        self._file.seek(self._at[index])
        end = self._at[index + 1] if index + 1 < len(self._at) else self._size
        found = []
        while self._file.tell() < end:
            head = self._file.read(_HEADER)
            if not (
                len(head) == _HEADER and head[:4] == b"\x1f\x8b\x08\x04"
                and head[10:16] == b"\x06\x00BC\x02\x00"
            ):  # fmt: skip
                raise self._fault(f"no bgzip block begins at byte {self._at[index]}")
            n_bytes = struct.unpack("<H", head[16:18])[0] + 1 - _HEADER
            data = self._file.read(max(n_bytes, 0))
            if len(data) != n_bytes or n_bytes < 8:
                raise self._damaged(index, "its end is missing")
            found.append(_Block(data))
        size = sum(block.size for block in found)
        if index + 1 < len(self._at) and size != self._starts[index + 1] - self._starts[index]:
            raise self._fault("its index .gzi belongs to another file")
        return found

    def _damaged(self, index: int, why: object) -> GenomeError:
        return self._fault(f"the block at byte {self._at[index]} is damaged or cut off ({why})")

    def _text(self, index: int, n_bytes: int) -> bytes:
        """Return the text from an indexed block's start on: n_bytes or more, or all there is."""
        found, wanted = [], n_bytes
        for block in self._blocks(index):
            try:
                found.append(block.start(wanted))
            except zlib.error as error:
                raise self._damaged(index, error) from None
            wanted -= block.size
            if wanted <= 0:
                break
        return found[0] if len(found) == 1 else b"".join(found)

    def read(self, start: int, end: int) -> bytes:
        """Return the text's bytes [start, end), fewer where it ends before."""
        parts, at = [], start
        while at < end:
            index = bisect_right(self._starts, at) - 1
            first = int(self._starts[index])
            text = self._text(index, end - first)[at - first : end - first]
            if not text:
                break
            parts.append(text)
            at += len(text)
        return b"".join(parts)
