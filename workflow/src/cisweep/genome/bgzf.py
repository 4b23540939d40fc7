"""Random access to a bgzip file by its .gzi index.

Layout: blocks of gzip, each of at most 64 kB, whose extra field BC holds the size of the block less
one (SAM specification, section 4.1); the .gzi is a count and pairs of (compressed, uncompressed)
offsets of all blocks but the first, little-endian uint64 (htslib, bgzf.c).
"""

import struct
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from cisweep.errors import GenomeError

_HEADER = 18  # bytes of a block before its data, with the one extra field that bgzip writes


class BgzipFile:
    """The uncompressed bytes of a bgzip file; blocks read last are kept.

    Raises GenomeError if the .gzi is none or does not fit the file, or the file is no bgzip.
    """

    def __init__(self, path: Path):
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115
        self._size = path.stat().st_size
        self._at, self._starts = self._read_index(Path(f"{path}.gzi"))
        self._block = lru_cache(maxsize=4)(self._read_block)

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
            raise self._fault(f"its index {index.name} is of another file")
        return pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)

    def _read_block(self, index: int) -> bytes:
        """Return the text from a block's start to where the index says that the next one starts.

        bgzip indexes every block; an index of fewer would need more than one here.
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
                raise self._fault(f"no block of bgzip stands at byte {self._at[index]}")
            data = self._file.read(struct.unpack("<H", head[16:18])[0] + 1 - _HEADER)
            try:
                text = zlib.decompress(data[:-8], wbits=-15)
            except zlib.error as error:
                raise self._fault(
                    f"the block at byte {self._at[index]} is damaged or cut off ({error})"
                ) from None
            if (zlib.crc32(text), len(text)) != struct.unpack("<II", data[-8:]):
                raise self._fault(f"the block at byte {self._at[index]} is damaged (checksum)")
            found.append(text)
        text = b"".join(found)
        if index + 1 < len(self._at) and len(text) != self._starts[index + 1] - self._starts[index]:
            raise self._fault("its index .gzi is of another file")
        return text

    def read(self, start: int, end: int) -> bytes:
        """Return the text's bytes [start, end), fewer where it ends before."""
        parts, at = [], start
        while at < end:
            index = int(np.searchsorted(self._starts, at, side="right")) - 1
            text = self._block(index)[at - self._starts[index] : end - self._starts[index]]
            if not text:
                break
            parts.append(text)
            at += len(text)
        return b"".join(parts)
