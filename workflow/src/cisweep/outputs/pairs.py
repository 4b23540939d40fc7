"""HDF5 products whose rows are pairs of a window and a target: each target has windows of its own.

Layout (schema version 3): `regions/*` and `tokens` of all windows as in `outputs/h5.py`; for each
target `rows/<t>` int64 (n,), ascending: which of the windows its rows are of; and `<kind>/<t>`, n
rows each. Rows are written in blocks of a size that follows from the columns alone, ordered by the
window at which a block is full, so merged files have the same bytes however the run was chunked.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import h5py
import numpy as np

from cisweep.contracts import Windows, stored_name
from cisweep.outputs.h5 import (
    ROWS_OF_BLOCK,
    ROWS_OF_CHUNK,
    Column,
    HeldRows,
    blocks,
    n_rows,
    open_rows,
    read_windows,
    region_columns,
    region_rows,
    write_attrs,
)
from cisweep.products import Product

PAIRS_VERSION = 3
"""Schema version of a file of pairs."""
HELD_BYTES = 1 << 28
"""Bytes of values that wait to be written, of all targets together, about."""


def rows_path(target: str) -> str:
    """Return the dataset that says which windows a target's rows are of."""
    return f"rows/{stored_name(target)}"


class PairWriter:
    """Writes windows and, for each target, values of some of them; a context.

    length: bases of a window; kinds: name, shape of a row and dtype of what each target has.
    Raises ProductError where the datasets are not those of `product`.
    """

    def __init__(
        self,
        path: Path,
        length: int,
        targets: Sequence[str],
        kinds: Sequence[Column],
        attrs: Mapping,
        product: Product | None = None,
    ):
        of_windows = [*region_columns(), Column("tokens", (length,), np.uint8)]
        of_targets = [
            [
                Column(rows_path(t), (), np.int64),
                *(Column(f"{k.path}/{stored_name(t)}", k.shape, k.dtype) for k in kinds),
            ]
            for t in targets
        ]
        if product is not None:
            columns = [c for each in (of_windows, *of_targets) for c in each]
            product.check([c.path for c in columns], str(path))
        # A chunk is written whole, so a cache of each dataset would only take memory.
        self._file = h5py.File(path, "w", libver="v110", rdcc_nbytes=0)
        write_attrs(self._file, PAIRS_VERSION, attrs)
        a_row = sum(np.dtype(k.dtype).itemsize * int(np.prod(k.shape)) for k in kinds) + 8
        block = _rows_at_once(a_row * max(len(targets), 1))
        self._windows = HeldRows(self._file, of_windows, ROWS_OF_BLOCK)
        self._targets = [
            HeldRows(self._file, columns, block, lambda column: min(block, ROWS_OF_CHUNK))
            for columns in of_targets
        ]
        # For each target the windows of the rows that are held.
        self._held: list[np.ndarray] = [np.empty(0, np.int64) for _ in targets]
        self._names, self._n = list(targets), 0

    def append(
        self,
        windows: Windows,
        tokens: np.ndarray,
        pairs: Callable[[int], tuple[np.ndarray, dict[str, np.ndarray]] | None],
    ) -> None:
        """Add windows with their tokens (N, L).

        pairs: for the index of a target the rows (n,) of these windows, ascending, and the values
        by name of the kind; None where it has none.
        """
        self._windows.append({**region_rows(windows), "tokens": tokens})
        for i, name in enumerate(self._names):
            found = pairs(i)
            if found is None or not len(found[0]):
                continue
            rows = self._n + np.asarray(found[0], np.int64)
            values = {f"{kind}/{stored_name(name)}": part for kind, part in found[1].items()}
            self._targets[i].append({rows_path(name): rows, **values})
            self._held[i] = np.concatenate([self._held[i], rows])
        self._n += len(windows)
        self._write_full()

    def _write_full(self) -> None:
        """Write the blocks that are full, in the order of the windows that filled them."""
        full = []
        begin = self._n - self._windows.n_held
        for end in range(ROWS_OF_BLOCK, self._windows.n_held + 1, ROWS_OF_BLOCK):
            full.append((begin + end - 1, -1))
        for i, rows in enumerate(self._held):
            block = self._targets[i].block
            full += [(int(rows[end - 1]), i) for end in range(block, len(rows) + 1, block)]
        for _, i in sorted(full):
            held = self._windows if i < 0 else self._targets[i]
            held.write(held.block)
            if i >= 0:
                self._held[i] = self._held[i][held.block :]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, error, trace) -> None:
        if kind is None:
            for held in (self._windows, *self._targets):
                held.write(held.n_held)
        self._file.close()


def _rows_at_once(n_bytes: int) -> int:
    """Return a power of two of rows of n_bytes, at most ROWS_OF_BLOCK, that HELD_BYTES take."""
    return 1 << (min(max(HELD_BYTES // n_bytes, 1), ROWS_OF_BLOCK).bit_length() - 1)


def open_pairs(path: Path) -> h5py.File:
    """Open a file of pairs for reading; raises ProductError as `open_rows`."""
    return open_rows(path, PAIRS_VERSION)


def rows_of(file: h5py.File, target: str) -> np.ndarray:
    """Return which windows a target's rows are of, (n,) int64 ascending."""
    return file[rows_path(target)][:]


def windows_of_target(path: Path, target: str) -> Windows:
    """Return the windows that a target has values of."""
    with open_pairs(path) as file:
        return read_windows(file).take(rows_of(file, target))


def pair_blocks(
    file: h5py.File, target: str, kinds: Sequence[str], size: int = ROWS_OF_BLOCK
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Yield (windows' rows, {kind: values}) of a target, at most `size` rows at a time."""
    paths = {f"{kind}/{stored_name(target)}": kind for kind in kinds}
    for _, values in blocks(file, [rows_path(target), *paths], size):
        yield values[rows_path(target)], {kind: values[path] for path, kind in paths.items()}


def pair_track(
    path: Path, target: str, kind: str, size: int = ROWS_OF_BLOCK
) -> Iterator[tuple[Windows, np.ndarray]]:
    """Yield (windows, values) of one kind of a target, block by block, as write_bigwig takes
    them."""
    with open_pairs(path) as file:
        for rows, values in pair_blocks(file, target, [kind], size):
            if len(rows):
                near = read_windows(file, slice(int(rows[0]), int(rows[-1]) + 1))
                yield near.take(rows - rows[0]), values[kind]


def merge_pairs(
    parts: Sequence[Path],
    out: Path,
    targets: Sequence[str],
    attrs: Mapping,
    product: Product | None = None,
) -> int:
    """Write the windows and pairs of all parts, in their order, to `out`; return the number of
    windows. Some windows of one part are held at a time, and the rows that wait (`PairWriter`)."""
    with open_pairs(parts[0]) as first:
        length, kinds = first["tokens"].shape[1], pair_kinds(first, targets[0])
    a_row = sum(np.dtype(k.dtype).itemsize * int(np.prod(k.shape)) for k in kinds) * len(targets)
    size, n = _rows_at_once(4 * a_row), 0
    with PairWriter(out, length, targets, kinds, attrs, product) as writer:
        for part in parts:
            with open_pairs(part) as file:
                rows_of_targets = [rows_of(file, t) for t in targets]
                for begin in range(0, n_rows(file), size):
                    end = min(begin + size, n_rows(file))
                    read = _Reader(file, targets, kinds, rows_of_targets, begin, end)
                    writer.append(read.windows, read.tokens, read.pairs)
                n += n_rows(file)
    return n


def pair_kinds(file: h5py.File, target: str) -> list[Column]:
    """Return what each target of a file has, but for its rows."""
    stored = stored_name(target)
    names = sorted(k for k in file if k not in ("regions", "tokens", "rows"))
    return [Column(k, file[k][stored].shape[1:], file[k][stored].dtype) for k in names]


class _Reader:
    """Windows begin to end of a part, and the pairs of these."""

    def __init__(self, file, targets, kinds, rows_of_targets, begin: int, end: int):
        self._file, self._targets, self._kinds = file, targets, kinds
        self._rows, self._begin, self._end = rows_of_targets, begin, end
        self.windows = read_windows(file, slice(begin, end))
        self.tokens = file["tokens"][begin:end]

    def pairs(self, i: int) -> tuple[np.ndarray, dict[str, np.ndarray]] | None:
        """Return what `PairWriter.append` asks for."""
        low, high = np.searchsorted(self._rows[i], (self._begin, self._end))
        if low == high:
            return None
        stored = stored_name(self._targets[i])
        values = {k.path: self._file[f"{k.path}/{stored}"][low:high] for k in self._kinds}
        return self._rows[i][low:high] - self._begin, values
